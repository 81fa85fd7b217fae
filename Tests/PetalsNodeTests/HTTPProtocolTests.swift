import PetalsNode
import PlumiseWire
import Testing

@Suite("HTTP of a node, byte by byte", .timeLimit(.minutes(5)))
struct HTTPProtocolTests {
  let model: TinyModel

  init() throws { model = try TinyModel() }

  private static let text = #"{"inputs":"a","parameters":{"max_new_tokens":2,"do_sample":false}}"#

  static func post(
    _ body: String = text, _ fields: String..., version: String = "1.1"
  ) -> String {
    "POST /api/v1/generate HTTP/\(version)\r\nHost: node\r\nContent-Length: \(body.utf8.count)\r\n"
      + fields.map { $0 + "\r\n" }.joined() + "\r\n"
  }

  private func withNode(
    _ configure: (inout NodeConfiguration) -> Void = { _ in },
    _ body: (PetalsNode) async throws -> Void
  ) async throws {
    try await withNodes(
      of: model, cuts: [],
      configure: {
        $0.http = .init()
        configure(&$0)
      }
    ) { try await body($0[0]) }
  }

  private static func status(_ answer: String) -> Int? {
    answer.split(separator: " ", maxSplits: 2).dropFirst().first.flatMap { Int($0) }
  }

  private static func body(_ answer: String) -> Substring? {
    answer.firstRange(of: "\r\n\r\n").map { answer[$0.upperBound...] }
  }

  @Test(
    "A client that expects 100 gets it before it sends its body",
    arguments: [
      "100-continue", "100-Continue",
    ])
  func expects(value: String) async throws {
    try await withNode { node in
      try await SocketClient(to: node).run { client in
        try await client.send(Self.post(Self.text, "Expect: \(value)", "Connection: close"))
        let first = try await client.read(until: "\r\n\r\n")
        #expect(first == "HTTP/1.1 100 Continue\r\n\r\n")
        try await client.send(Self.text)
        let rest = try await client.rest().dropFirst(first.count)
        #expect(Self.status(String(rest)) == 200, "\(rest)")
        #expect(rest.contains("generated_text"))
      }
    }
  }

  @Test("A body that would be refused is refused before it is sent")
  func expectsTooMuch() async throws {
    try await withNode { node in
      for (path, length, status) in [
        ("/api/v1/generate", (1 << 20) + 1, 413), ("/health", 2, 405), ("/nowhere", 2, 404),
      ] {
        try await SocketClient(to: node).run { client in
          try await client.send(
            "POST \(path) HTTP/1.1\r\nHost: node\r\nContent-Length: \(length)\r\n"
              + "Expect: 100-continue\r\n\r\n")
          let answer = try await client.read(until: #""status":"error""#)
          #expect(Self.status(answer) == status, "\(path): \(answer)")
        }
      }
    }
  }

  @Test(
    "HTTP/1.0 gets no interim answer, no chunks, and the connection's end",
    arguments: [
      false, true,
    ])
  func old(stream: Bool) async throws {
    try await withNode { node in
      let body = Self.text.dropLast() + #","stream":\#(stream)}"#
      let answer = try await SocketClient.answer(
        of: node,
        to: Self.post(
          String(body), "Expect: 100-continue", "Connection: keep-alive", version: "1.0") + body)
      #expect(Self.status(answer) == 200, "\(answer)")
      #expect(!answer.lowercased().contains("chunked"))
      #expect(answer.lowercased().contains("connection: close"))
      let content = try #require(Self.body(answer))
      #expect(content.hasPrefix(stream ? "data: {" : "{"), "\(content)")
      #expect(content.hasSuffix(stream ? "}\n\n" : "}"), "\(content)")
    }
  }

  @Test(
    "HTTP/1.0 needs no Host, HTTP/1.1 exactly one sound one",
    arguments: [
      ("1.0", "", 200), ("1.0", "Host: node\r\n", 200), ("1.1", "Host: node\r\n", 200),
      ("1.1", "Host:\r\n", 200), ("1.1", "hOST: node:8080\r\n", 200),
      ("1.1", "Host: [::1]:80\r\n", 200), ("1.1", "", 400),
      ("1.1", "Host: a\r\nHost: b\r\n", 400), ("1.1", "Host: a\r\nHost: a\r\n", 400),
      ("1.1", "Host: a b\r\n", 400), ("1.1", "Host: a/b\r\n", 400),
      ("1.0", "Host: a\r\nHost: b\r\n", 400),
    ])
  func host(version: String, field: String, status: Int) async throws {
    try await withNode { node in
      let answer = try await SocketClient.answer(
        of: node, to: "GET /health HTTP/\(version)\r\n\(field)Connection: close\r\n\r\n")
      #expect(Self.status(answer) == status, "\(answer)")
      #expect(status == 200 || answer.contains(#""status":"error""#))
    }
  }

  @Test(
    "HEAD is answered as GET, without the body",
    arguments: [
      ("/health", 200), ("/nowhere", 404), ("/api/v1/generate", 405),
    ])
  func head(path: String, status: Int) async throws {
    try await withNode { node in
      let head = "HEAD \(path) HTTP/1.1\r\nHost: node\r\n"
      let alone = try await SocketClient.answer(of: node, to: head + "Connection: close\r\n\r\n")
      #expect(Self.status(alone) == status)
      #expect(Self.body(alone) == "", "\(alone)")
      #expect(alone.lowercased().contains("content-length: "))
      #expect(alone.lowercased().contains("content-type: application/json"))
      // What comes next on the connection is the next answer.
      let both = try await SocketClient.answer(
        of: node,
        to: head + "\r\nGET /health HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n")
      let rest = try #require(Self.body(both))
      #expect(Self.status(String(rest)) == 200, "\(both)")
      #expect(rest.contains(#""model":"#))
    }
  }

  @Test(
    "A target in absolute form, or with needless escapes, is the same target",
    arguments: [
      ("/health", 200), ("/%68ealth", 200), ("/he%61lth?x=%20", 200), ("/health?%", 200),
      ("http://node/health", 200), ("HTTP://node:80/%68ealth?x", 200), ("http://node", 404),
      ("http://node?health", 404), ("/%2fhealth", 404), ("/%2Fhealth", 404), ("/health%2f", 404),
      ("/%6", 404), ("/%zz", 404), ("/%+8ealth", 404), ("/Health", 404),
    ])
  func targets(target: String, status: Int) async throws {
    try await withNode { node in
      let answer = try await SocketClient.answer(
        of: node, to: "GET \(target) HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n")
      #expect(Self.status(answer) == status, "\(answer)")
    }
  }

  @Test("Requests that follow each other at once are answered in their order")
  func pipelined() async throws {
    try await withNode { node in
      let answer = try await SocketClient.answer(
        of: node,
        to: "HEAD /health HTTP/1.1\r\nHost: node\r\n\r\nGET /health HTTP/1.1\r\n\r\n"
          + Self.post() + Self.text + "GET /a HTTP/1.0\r\n\r\nGET /b HTTP/1.1\r\nHost: node\r\n\r\n"
      )
      let lines = answer.split(separator: "\r\n").flatMap { $0.split(separator: "}") }
      let statuses = lines.filter { $0.hasPrefix("HTTP/1.") }.compactMap {
        Self.status(String($0))
      }
      // The request of HTTP/1.0 is the last that is answered.
      #expect(statuses == [200, 400, 200, 404], "\(answer)")
    }
  }

  // MARK: - Clients that stand still

  @Test(
    "A client that stops amid its request, or before it, is given up",
    arguments: [
      "", "POST /api/v1/generate HTTP/1.1\r\nHost:", Self.post(),
      Self.post(Self.text, "Expect: 100-continue"), Self.post() + Self.text.dropLast(),
      "POST /nowhere HTTP/1.1\r\nHost: node\r\nContent-Length: 5\r\n\r\n1",
      "GET /health HTTP/1.1\r\nHost: node\r\n\r\n",
    ])
  func stopsAmidRequest(bytes: String) async throws {
    try await withNode {
      $0.clientPatience = .milliseconds(200)
      $0.clientIdleLimit = .milliseconds(400)
    } _: { node in
      let answer = try await SocketClient.answer(of: node, to: bytes)
      #expect(!answer.contains("generated_text"))
    }
  }
}
