import AsyncHTTPClient
import Foundation
import HTTPTypes
import MockOracle
import MockServing
import NIOCore
import NIOHTTP1
import PlumiseWire
import TestSupport
import Testing

@Suite("HTTP of the oracle", .timeLimit(.minutes(5))) struct OracleHTTPTests {
  private func oracle(_ dialects: Set<ReportDialect>) -> MockOracle {
    MockOracle(
      OracleConfiguration(dialects: dialects, unixClock: TestTime(1_770_200_000).clock))
  }

  private static let dialects: [Set<ReportDialect>] = [
    [.documented], [.deployed], Set(ReportDialect.allCases),
  ]

  /// Every path that the description knows, with the methods that it answers.
  private func paths(_ dialects: Set<ReportDialect>) throws -> [(path: String, methods: [String])] {
    let members = OpenAPI.description(of: dialects)["paths"]?.objectValue?.members ?? []
    try #require(members.count > 5)
    return members.map { member in
      var path = member.key
      for name in ["agent", "address"] {
        path = path.replacing("{\(name)}", with: "0x\(String(repeating: "1", count: 40))")
      }
      return (path, member.value.objectValue?.keys ?? [])
    }
  }

  private func send(
    _ method: HTTPMethod, _ url: String, _ fields: [(String, String)] = []
  ) async throws -> (status: Int, headers: HTTPHeaders, body: Int) {
    var request = HTTPClientRequest(url: url)
    request.method = method
    request.headers.add(contentsOf: fields)
    let response = try await HTTPClient.shared.execute(request, timeout: .seconds(60))
    let body = try await response.body.collect(upTo: 1 << 24)
    return (Int(response.status.code), response.headers, body.readableBytes)
  }

  @Test(
    "HEAD is answered wherever GET is, with its status and fields and no body", arguments: dialects)
  func head(dialects: Set<ReportDialect>) async throws {
    let oracle = oracle(dialects)
    try await oracle.withServer { address async throws in
      for (path, methods) in try paths(dialects) + [("/none", [])] {
        let get = try await send(.GET, address.url + path)
        let head = try await send(.HEAD, address.url + path)
        #expect(head.status == get.status && head.body == 0, "\(path)")
        // There is no chain, which tokenomics are read from.
        let isAnswered = get.status < 405 || path == "/api/v1/tokenomics" && get.status == 500
        #expect(isAnswered || !methods.contains("get"), "\(path): \(get.status)")
        // What counts the requests counts on; what is no route names the method.
        if path != "/metrics" && methods.contains("get") {
          #expect(head.headers["Content-Length"] == get.headers["Content-Length"], "\(path)")
        }
        #expect(head.headers["Content-Type"] == get.headers["Content-Type"], "\(path)")
      }
    }
  }

  @Test("A target with scheme and host, and one with escaped letters, are those without")
  func targets() async throws {
    let oracle = oracle([.documented])
    try await oracle.withServer { address async throws in
      for target in ["\(address.url)/health", "http://elsewhere/health", "/%68e%61lth"] {
        try await RawClient.connected(to: address) { client async throws in
          try await client.send("GET \(target) HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
          #expect(try await client.waitForEnd().hasPrefix("HTTP/1.1 200 "), "\(target)")
        }
      }
    }
  }

  @Test(
    "The deployed dialect lets scripts of any origin in, on any path, as the deployed oracle does")
  func preflight() async throws {
    for dialects in Self.dialects.dropFirst() {
      try await oracle(dialects).withServer { address async throws in
        for path in ["/api/metrics", "/api/nodes", "/none", "/health"] {
          let asked = [
            ("Origin", "https://a.example"), ("Access-Control-Request-Method", "POST"),
            ("Access-Control-Request-Headers", "content-type,x-api-key"),
          ]
          for fields in [asked, []] {
            let answer = try await send(.OPTIONS, address.url + path, fields)
            #expect(answer.status == 204 && answer.body == 0)
            #expect(answer.headers["Content-Length"] == ["0"])
            #expect(answer.headers["Access-Control-Allow-Origin"] == ["*"])
            #expect(
              answer.headers["Access-Control-Allow-Methods"] == ["GET,HEAD,PUT,PATCH,POST,DELETE"])
            #expect(answer.headers["Vary"] == ["Access-Control-Request-Headers"])
            #expect(
              answer.headers["Access-Control-Allow-Headers"]
                == (fields.isEmpty ? [] : ["content-type,x-api-key"]))
          }
          let get = try await send(.GET, address.url + path)
          #expect(get.headers["Access-Control-Allow-Origin"] == ["*"], "\(path)")
        }
      }
    }
  }

  @Test("The documented dialect knows no OPTIONS: 405 with what the path answers, 404 elsewhere")
  func documentedOptions() async throws {
    try await oracle([.documented]).withServer { address async throws in
      for (path, status, allowed) in [
        ("/health", 405, ["GET"]), ("/api/v1/report", 405, ["POST"]), ("/none", 404, []),
      ] {
        let answer = try await send(.OPTIONS, address.url + path)
        #expect(answer.status == status && answer.headers["Allow"] == allowed)
        #expect(answer.headers["Access-Control-Allow-Origin"].isEmpty)
      }
    }
  }
}

/// A mark that would make one Character of itself and the sign before it.
private let mark = "\u{301}"

@Suite("Texts from outside", .timeLimit(.minutes(5))) struct TextTests {
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
}

@Suite("Description file", .timeLimit(.minutes(5))) struct DescriptionFileTests {
  @Test("Documentation/oracle-openapi.json is what the oracle serves; Scripts/openapi.sh writes it")
  func upToDate() throws {
    let file = URL(filePath: #filePath).deletingLastPathComponent()
      .appending(path: "../../../Documentation/oracle-openapi.json")
    let written = try JSON.parse(Data(contentsOf: file))
    #expect(written == OpenAPI.description(of: Set(ReportDialect.allCases)))
  }
}
