import EthereumPrimitives
import HTTPTypes
import MockOracle
import MockServing
import PlumiseWire
import TestSupport
import Testing

/// How the deployed dialect reads a body, before any rule is asked.
@Suite("Bodies of the deployed dialect", .timeLimit(.minutes(5))) struct DeployedBodyTests {
  private let path = ReportDialect.deployed.path

  private func post(_ body: [UInt8], _ type: String, _ encoding: String? = nil) async -> Answer {
    var headers: HTTPFields = [.contentType: type]
    headers[.contentEncoding] = encoding
    return await MockOracle.deployed().post(body, to: path, headers: headers)
  }

  private func report() throws -> [UInt8] { try deployedReport(by: testKey()).serialized() }

  @Test(
    "A body is read by its type, in whatever case, with parameters in any form",
    arguments: [
      "application/json", "Application/JSON", "application/json; charset=utf-8",
      "application/json;charset=\"UTF-8\"", "application/json ; a=b; charset=utf-8",
    ])
  func readTypes(type: String) async throws {
    #expect(await post(try report(), type).status == 201)
  }

  @Test(
    "A body of another type, or of none that is one, counts as empty",
    arguments: [
      "text/plain", "application/vnd.api+json", "application/json, text/plain", "json",
      "application/json;", "application/json; charset", "application/", "",
    ])
  func otherTypes(type: String) async throws {
    let answer = await post(try report(), type)
    #expect(answer.status == 400 && answer.messages?.count == 12, "\(type): \(answer)")
  }

  @Test(
    "A charset that does not begin with utf- is refused by name",
    arguments: ["iso-8859-1", "utf8", "windows-1252", "utf-99"])
  func charsets(charset: String) async throws {
    #expect(
      await post(try report(), "application/json; charset=\(charset)")
        == Answer(
          status: 415,
          body: [
            "statusCode": 415,
            "message": .string("unsupported charset \"\(charset.uppercased())\""),
          ]))
  }

  @Test("UTF-16 is read in both orders, by its mark or by its charset, and UTF-8 with a mark")
  func unicode() async throws {
    let text = String(decoding: try report(), as: UTF8.self)
    let little = text.utf16.flatMap { [UInt8($0 & 0xff), UInt8($0 >> 8)] }
    let big = text.utf16.flatMap { [UInt8($0 >> 8), UInt8($0 & 0xff)] }
    let cases: [(String, [UInt8])] = [
      ("utf-16le", little), ("utf-16be", big), ("utf-16", [0xff, 0xfe] + little),
      ("utf-16", [0xfe, 0xff] + big), ("utf-16", little), ("utf-16", big),
      ("utf-8", [0xef, 0xbb, 0xbf] + Array(text.utf8)),
    ]
    for (charset, body) in cases {
      let answer = await post(body, "application/json; charset=\(charset)")
      #expect(answer.status == 201, "\(charset): \(answer)")
    }
  }

  @Test(
    "An encoding that is not read is refused by name, and one that is by what is wrong",
    arguments: [
      ("x-gzip", 415, "unsupported content encoding \"x-gzip\""),
      ("gzip, deflate", 415, "unsupported content encoding \"gzip, deflate\""),
      ("GZIP", 400, "incorrect header check"), ("deflate", 400, "incorrect header check"),
      ("br", 400, "Decompression failed"),
    ])
  func encodings(encoding: String, status: Int, message: String) async throws {
    #expect(
      await post(try report(), "application/json", encoding)
        == Answer(
          status: status,
          body: ["statusCode": .integer(status), "message": .string(message)]))
  }

  @Test("A body that is packed with Brotli is read, and one that ends early is refused")
  func brotli() async {
    // `{}`, packed by Google's encoder.
    let packed: [UInt8] = [0x8b, 0x00, 0x80, 0x7b, 0x7d, 0x03]
    let plain = await post(Array("{}".utf8), "application/json")
    #expect(plain.status == 400)
    #expect(await post(packed, "application/json", "br") == plain)
    #expect(
      await post(packed.dropLast(2), "application/json", "br")
        == Answer(
          status: 400, body: ["statusCode": 400, "message": "unexpected end of file"]))
  }

  @Test("Zeros behind a packed body are no part of it, and a dictionary is asked for by name")
  func trailingZeros() async {
    // `{}`, packed by gzip(1).
    let packed: [UInt8] = [
      0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x03, 0xab, 0xae, 0x05, 0x00, 0x43,
      0xbf, 0xa6, 0xa3, 0x02, 0x00, 0x00, 0x00,
    ]
    let plain = await post(Array("{}".utf8), "application/json")
    #expect(await post(packed, "application/json", "gzip") == plain)
    #expect(await post(packed + [0, 0, 0], "application/json", "gzip") == plain)
    // A head with the bit of a dictionary, and the dictionary's checksum (RFC 1950 §2.2).
    let dictionary = await post([0x78, 0xbb, 0, 0, 0, 1, 0], "application/json", "deflate")
    #expect(dictionary.status == 400 && dictionary.message == "Missing dictionary")
  }

  @Test("A body is read before a route is looked for, and names it with its query otherwise")
  func beforeRoutes() async throws {
    let oracle = MockOracle.deployed()
    let broken = await oracle.post(Array("{".utf8), to: "/nowhere?a=1")
    #expect(broken.message == "Expected property name or '}' in JSON at position 1")
    let whole = await oracle.post(Array("{}".utf8), to: "/nowhere?a=1")
    #expect(whole.status == 404 && whole.message == "Cannot POST /nowhere?a=1")
  }

  @Test("A form is read by its names; every value is a text, which no number is")
  func forms() async throws {
    let answer = await post(
      Array("a=1&b%5B%5D=2&timestamp=5&wallet=0x12".utf8), "application/x-www-form-urlencoded")
    #expect(
      answer.messages?.prefix(3)
        == [
          "property a should not exist", "property b should not exist",
          "wallet must be an Ethereum address",
        ])
    #expect(
      answer.messages?.contains(
        "timestamp must be a number conforming to the specified constraints") == true)
  }

  @Test("Paths in either case and with one slash behind them are found, others are not")
  func paths() async throws {
    let address = try testKey().address.checksummed
    for (path, status) in [
      ("/API/V1/Metrics/Summary", 200), ("/api/v1/metrics/summary/", 200),
      ("/api/v1/metrics/summary//", 404), ("//api/v1/metrics/summary", 404),
      ("/api/v1//metrics/summary", 404), ("/api/v1/proofs/\(address)/", 200),
      ("/api/v1/m%65trics/summary", 404), ("/api/v1/metrics/agents/%zz", 400),
      ("/api/v1/metrics/agents/%ff", 400), ("/api/v1/metrics/agents/a%2Fb", 200),
    ] {
      let answer = await MockOracle.deployed().get(path)
      #expect(answer.status == status, "\(path): \(answer)")
    }
  }

  @Test("A GET that names the answer's tag is 304, without a body")
  func tags() async throws {
    let oracle = MockOracle.deployed()
    let first = await oracle.respond(to: WebRequest(.get, "/api/nodes"))
    let tag = try #require(first.headers[.eTag])
    #expect(first.headers[.contentType] == "application/json; charset=utf-8")
    for (known, status) in [
      (tag, 304), ("*", 304), (String(tag.dropFirst(2)), 304), ("\"x\", \(tag)", 304),
      ("\"x\"", 200),
    ] {
      let headers: HTTPFields = [.ifNoneMatch: known]
      let answer = await oracle.respond(to: WebRequest(.get, "/api/nodes", headers: headers))
      #expect(answer.status.code == status && answer.body.isEmpty == (status == 304))
    }
  }
}
