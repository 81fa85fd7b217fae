import Bloom
import Foundation
import GRPCCore
import GRPCNIOTransportHTTP2
import InferenceMetrics
import MockServing
import PetalsNode
import PipelineRPC
import PlumiseWire
import TestSupport
import TestVectors
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
      try await RawClient.connected(to: node) { client in
        try await client.send(Self.post(Self.text, "Expect: \(value)", "Connection: close"))
        let first = try await client.wait(for: "\r\n\r\n")
        #expect(first == "HTTP/1.1 100 Continue\r\n\r\n")
        try await client.send(Self.text)
        let rest = try await client.waitForEnd().dropFirst(first.count)
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
        try await RawClient.connected(to: node) { client in
          try await client.send(
            "POST \(path) HTTP/1.1\r\nHost: node\r\nContent-Length: \(length)\r\n"
              + "Expect: 100-continue\r\n\r\n")
          let answer = try await client.wait(for: #""status":"error""#)
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
      let answer = try await RawClient.answer(
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
      let answer = try await RawClient.answer(
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
      let alone = try await RawClient.answer(of: node, to: head + "Connection: close\r\n\r\n")
      #expect(Self.status(alone) == status)
      #expect(Self.body(alone) == "", "\(alone)")
      #expect(alone.lowercased().contains("content-length: "))
      #expect(alone.lowercased().contains("content-type: application/json"))
      // What comes next on the connection is the next answer.
      let both = try await RawClient.answer(
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
      let answer = try await RawClient.answer(
        of: node, to: "GET \(target) HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n")
      #expect(Self.status(answer) == status, "\(answer)")
    }
  }

  @Test("Requests that follow each other at once are answered in their order")
  func pipelined() async throws {
    try await withNode { node in
      let answer = try await RawClient.answer(
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
      $0.clientTimeout = .milliseconds(200)
      $0.clientIdleLimit = .milliseconds(400)
    } _: { node in
      let answer = try await RawClient.answer(of: node, to: bytes)
      #expect(!answer.contains("generated_text"))
    }
  }
}

@Suite("Clients that read no more", .timeLimit(.minutes(2)))
struct StalledReaderTests {
  @Test("A stream over HTTP is ended with its connection, and what it holds is given back")
  func http() async throws {
    // An answer that no socket's buffers hold.
    try await withLongTokens { configuration in
      try await withPetalsNode(configuration) { node in
        let body =
          #"{"inputs":"a","stream":true,"parameters":{"max_new_tokens":2000,"do_sample":false}}"#
        try await RawClient.connected(to: node, reads: false, receiveBuffer: 4096) { client in
          try await client.send(HTTPProtocolTests.post(body) + body)
          try await node.waitUntilBusy()
          client.read()
          try await client.wait(for: "HTTP/1.1 200 ")
          try await node.waitUntilIdle()
          try await client.startReading()
          let answer = try await client.waitForEnd()
          #expect(answer.hasPrefix("HTTP/1.1 200 "))
          #expect(!answer.contains(#""is_finished":true"#))
          #expect(node.metrics.snapshot.totalTokens < 2000)
        }
      }
    }
  }

  @Test("A stream over gRPC is ended, and what it holds is given back")
  func grpc() async throws {
    try await withLongTokens { configuration in
      try await withPetalsNode(configuration) { node in
        try await withRawClient(of: node) { client in
          var request = Plumise_Inference_ForwardRequest()
          request.metadata.originalPrompt = "a"
          request.params.maxNewTokens = 2000
          let service = Plumise_Inference_InferencePipeline.Client(wrapping: client)
          try await service.forwardPassStream(request) { response in
            var messages = response.messages.makeAsyncIterator()
            _ = try await messages.next()
            try await node.waitUntilIdle()
          }
          #expect(node.metrics.snapshot.totalTokens < 2000)
        }
      }
    }
  }
}

/// Runs a body with a node's configuration for a copy of the tiny model whose tokens are thousands
/// of characters long, and a short time-out for clients.
private func withLongTokens(_ body: (NodeConfiguration) async throws -> Void) async throws {
  let source = TestVectors.bloom(.tinyF16)
  let folder = try checkpointCopy()
  defer { try? FileManager.default.removeItem(at: folder) }
  let name = "tokenizer.json"
  let file = try JSON.parse(Array(Data(contentsOf: source.appending(path: name))))
  var tokenizer = try #require(file.objectValue)
  var model = try #require(file["model"]?.objectValue)
  let vocabulary = try #require(model["vocab"]?.objectValue)
  let kept = ["a", "<unk>", "<s>", "</s>", "<pad>"]
  model["vocab"] = .object(
    JSONObject(
      uniqueMembers: vocabulary.members.map { member in
        kept.contains(member.key)
          ? (member.key, member.value)
          : (String(repeating: "x", count: 16_000) + member.value.text, member.value)
      }))
  model["merges"] = []
  tokenizer["model"] = .object(model)
  try Data(JSON.object(tokenizer).serialized()).write(to: folder.appending(path: name))
  var configuration = NodeConfiguration(
    checkpoint: try Checkpoint(directory: folder), http: .init())
  configuration.clientTimeout = .milliseconds(300)
  try await body(configuration)
}

extension RawClient {
  /// Runs a body with a connection to a node's HTTP API.
  static func connected<R: Sendable>(
    to node: PetalsNode, reads: Bool = true, receiveBuffer: Int? = nil,
    _ body: (RawClient) async throws -> R
  ) async throws -> R {
    let address = try #require(node.httpAddress)
    return try await connected(
      to: ServerAddress(host: address.host, port: address.port), reads: reads,
      receiveBuffer: receiveBuffer, body)
  }

  /// Sends a request and gives all that comes until the node closes the connection.
  static func answer(of node: PetalsNode, to request: String) async throws -> String {
    try await connected(to: node) { client async throws in
      try await client.send(request)
      return try await client.waitForEnd()
    }
  }
}
