import Bloom
import Foundation
import GRPCNIOTransportHTTP2
import PetalsNode
import PipelineRPC
import PlumiseWire
import TestVectors
import Testing

@Suite("Clients that read no more", .timeLimit(.minutes(2)))
struct StalledReaderTests {
  @Test("A stream over HTTP is ended with its connection, and what it holds is given back")
  func http() async throws {
    // An answer that no socket's buffers hold.
    try await withLongTokens { configuration in
      try await withPetalsNode(configuration) { node in
        let body =
          #"{"inputs":"a","stream":true,"parameters":{"max_new_tokens":2000,"do_sample":false}}"#
        try await SocketClient(to: node, receiveBuffer: 4096).run { client in
          try await client.send(HTTPProtocolTests.post(body) + body)
          try await node.waitUntilBusy()
          try await node.waitUntilIdle()
          let answer = try await client.rest()
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
/// of characters long, and a short patience with clients.
private func withLongTokens(_ body: (NodeConfiguration) async throws -> Void) async throws {
  let source = TestVectors.bloom(.tinyF16)
  let folder = FileManager.default.temporaryDirectory
    .appending(path: "long-tokens-\(UUID().uuidString)")
  try FileManager.default.copyItem(at: source, to: folder)
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
  configuration.clientPatience = .milliseconds(300)
  try await body(configuration)
}
