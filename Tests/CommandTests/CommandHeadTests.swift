import Foundation
import PlumiseWire
import TestVectors
import Testing

/// A model whose LM head is its own, as the command uses it everywhere.
@Suite("LM heads of their own, on the command line", .timeLimit(.minutes(5)))
struct CommandHeadTests {
  private static let untied = TestVectors.bloom(.untiedF16).path
  private static let golden = "case2"

  private func expected() throws -> TensorBytes {
    try TensorBytes("\(Self.untied)/expected.safetensors")
  }

  private func prompt() throws -> String {
    try #require(try expected().integers("\(Self.golden).input_ids"))
      .map { "\($0)" }.joined(separator: ",")
  }

  @Test("A process alone and nodes generate the reference's tokens")
  func generate() async throws {
    let ids = try #require(try expected().integers("\(Self.golden).generated_ids"))
    let request = [
      "generate", "--model", Self.untied, "--token-ids", try prompt(), "--max-new-tokens",
      "\(ids.count)", "--json",
    ]
    try await Command.withNodes(["0-0", "1-2"], of: Self.untied) { peers in
      for more in [[], ["--peers", peers.joined(separator: ",")]] {
        let result = try await Command.run(request + more)
        #expect(result.status == .exited(0), "\(result.errors)")
        #expect(try result.json()["generated_ids"] == .array(ids.map { .integer($0) }))
      }
    }
  }

  @Test("Logits of forward are the reference's, and inspect says what the head is")
  func forward() async throws {
    try await withTemporaryFolder { folder in
      let file = folder.file("out")
      let result = try await Command.run(
        "forward", "--model", Self.untied, "--token-ids", try prompt(), "--output", file)
      #expect(result.status == .exited(0), "\(result.errors)")
      let closeness = Closeness(
        of: try #require(try TensorBytes(file).floats("logits")),
        to: try #require(try expected().floats("\(Self.golden).logits")))
      #expect(closeness.worst <= Closeness.float32, "\(closeness)")
    }
    let seen = try await Command.run("model", "inspect", Self.untied, "--json").json()
    #expect(seen["tie_word_embeddings"] == false)
    #expect(seen["eos_token_id"] == [2, 0])
    let tied = try await Command.run("model", "inspect", GenerateTests.tiny, "--json").json()
    #expect(tied["tie_word_embeddings"] == true)
  }

  @Test("An untied model without a head is refused by every subcommand that opens it")
  func missing() async throws {
    try await withTemporaryFolder { folder in
      let model = folder.path
      let configuration = try String(
        contentsOfFile: "\(GenerateTests.tiny)/config.json", encoding: .utf8)
      let type = "\"model_type\""
      try folder.write(
        "config.json",
        configuration.replacing(type, with: "\"tie_word_embeddings\": false, \(type)").utf8)
      try FileManager.default.copyItem(
        atPath: "\(GenerateTests.tiny)/model.safetensors", toPath: folder.file("model.safetensors"))
      for arguments in [
        ["model", "inspect", model], ["generate", "--model", model, "--token-ids", "1"],
        ["node", "--model", model, "--blocks", "0-11", "--port", "0"],
        ["forward", "--model", model, "--token-ids", "1", "--output", folder.file("out")],
      ] {
        try await Command.run(arguments).expectRefusal("lm_head.weight: missing")
      }
    }
  }
}
