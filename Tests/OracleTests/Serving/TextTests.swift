import MockOracle
import MockServing
import OracleReporter
import PlumiseWire
import Testing

/// A mark that would make one Character of itself and the sign before it.
private let mark = "\u{301}"

@Suite("Texts from outside", .timeLimit(.minutes(5))) struct TextTests {
  @Test("A target is parted by its signs, whatever marks follow them")
  func targets() {
    let request = WebRequest(.get, "/a/\(mark)b?\(mark)x=\(mark)1&\(mark)y=2#\(mark)z")
    #expect(request.path.utf8.elementsEqual("/a/\(mark)b".utf8))
    #expect(request.query.count == 2)
    #expect(request.query["\(mark)x"]?.utf8.elementsEqual("\(mark)1".utf8) == true)
    #expect(request.query["\(mark)y"] == "2")
  }

  @Test("Parameters that are only canonically equal are two")
  func parameters() {
    let request = WebRequest(.get, "/?%C3%A9=1&e%CC%81=2&%E2%84%AA=3&K=4")
    #expect(request.query.count == 4)
    #expect(request.query["\u{e9}"] == "1")
    #expect(request.query["e\u{301}"] == "2")
    #expect(request.query["\u{212a}"] == "3")
  }

  @Test("Models whose names are only canonically equal have pipelines of their own")
  func models() async throws {
    let oracle = MockOracle.deployed()
    for (number, model) in ["caf\u{e9}", "cafe\u{301}"].enumerated() {
      let body = pipelineRegistration(by: try testKey(UInt8(number + 1)), model: model)
      #expect(await oracle.post(body, to: PipelineRegistration.path).status == 201)
    }
    #expect(oracle.topology(of: "caf\u{e9}").count == 1)
    #expect(oracle.topology(of: "cafe\u{301}").count == 1)
  }

  @Test("A number ends before a mark, and is a number all the same")
  func numbers() async throws {
    let oracle = MockOracle.deployed()
    let plain = await oracle.get("/api/v1/metrics/summary?epoch=5")
    #expect(plain.status == 200)
    #expect(await oracle.get("/api/v1/metrics/summary?epoch=5%CC%81") == plain)
  }

  @Test("A URL's sign is one, whatever mark follows it")
  func endpoints() async throws {
    let oracle = MockOracle.deployed()
    for (endpoint, isURL) in [
      ("http://example.com/\(mark)a@b:c", true), ("http://example.com/<\(mark)", false),
    ] {
      let body = nodeRegistration(by: try testKey(1)) { $0["endpoint"] = .string(endpoint) }
      let answer = await oracle.post(body, to: NodeRegistration.path)
      // The signature is of another endpoint, which is not found out before the form is right.
      #expect(answer.status == 400 || answer.status == 401)
      let isRefused = answer.messages?.contains { $0.contains("endpoint") } ?? false
      #expect(isRefused != isURL, "\(endpoint): \(answer)")
    }
  }

  @Test("A query in the oracle's URL is one, whatever mark follows its sign")
  func urls() {
    for sign in ["?", "#", " "] {
      #expect(throws: ReporterConfigurationError.self) {
        try OracleURL("http://127.0.0.1:3100/\(sign)\(mark)")
      }
    }
  }
}
