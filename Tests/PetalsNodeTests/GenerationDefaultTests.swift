import Bloom
import Foundation
import PetalsNode
import PipelineRPC
import PlumiseWire
import TestVectors
import Testing

/// What a request does not say, the model's `generation_config.json` does.
@Suite("Defaults of generation_config.json", .timeLimit(.minutes(5)))
struct GenerationDefaultTests {
  /// The tiny checkpoint with a `generation_config.json`.
  private func model(_ generation: String) throws -> Checkpoint {
    let folder = FileManager.default.temporaryDirectory
      .appending(path: "defaults-\(UUID().uuidString)")
    try FileManager.default.copyItem(at: TestVectors.bloom(.tinyF16), to: folder)
    try Data(generation.utf8).write(to: folder.appending(path: "generation_config.json"))
    return try Checkpoint(directory: folder)
  }

  /// Runs a body with a node that serves the whole model over HTTP; the model's folder goes at the end.
  private func withNode(
    _ generation: String, _ body: (PetalsNode) async throws -> Void
  ) async throws {
    let checkpoint = try model(generation)
    defer { try? FileManager.default.removeItem(at: checkpoint.directory) }
    var configuration = NodeConfiguration(checkpoint: checkpoint)
    configuration.http = .init()
    try await withPetalsNode(configuration, body)
  }

  private func text(_ node: PetalsNode, _ parameters: String?) async throws -> JSON {
    let rest = parameters.map { #","parameters":{\#($0)}"# } ?? ""
    let answer = try await GeneratedAnswer(from: node, to: #"{"inputs":"Hello there"\#(rest)}"#)
    try #require(answer.status == 200, "\(answer.text)")
    return try answer.json
  }

  /// The ids that a sampler chooses through the node.
  private func expected(
    _ node: PetalsNode, _ count: Int, _ sampling: SamplingParameters
  ) async throws -> String {
    let checkpoint = node.configuration.checkpoint
    let ends = ModelEnds(checkpoint, tokenizer: try Tokenizer(directory: checkpoint.directory))
    let prompt = try #require(ends.tokenizer).encode("Hello there")
    return try await withPipelineClient(ends, transports: [node.transport]) { client in
      try #require(
        try await client.generate(
          PipelineRequest(promptIDs: prompt, maximumNewTokens: count, sampling: sampling)
        ).collect().text)
    }
  }

  @Test("Greedy, penalty and length are the file's where a request says nothing")
  func nothingSaid() async throws {
    try await withNode(#"{"do_sample":false,"repetition_penalty":1.9,"max_new_tokens":7}"#) {
      node in
      let penalised = try await expected(node, 7, SamplingParameters(repetitionPenalty: 1.9))
      let found = try await text(node, nil)
      #expect(found["generated_text"] == .string(penalised))
      #expect(found["num_tokens"] == 7)
      // Whatever a request says comes first.
      let own = try await text(node, #""max_new_tokens":5,"repetition_penalty":1.0"#)
      #expect(own["generated_text"] == .string(try await expected(node, 5, .greedy)))
      #expect(own["num_tokens"] == 5)
    }
  }

  @Test(
    "Each way of drawing is the file's: what leaves one token is what greedy takes",
    arguments: [#""top_k":1"#, #""top_p":0"#, #""temperature":0"#, #""temperature":1e-30"#])
  func drawing(_ field: String) async throws {
    try await withNode(#"{\#(field),"do_sample":true,"repetition_penalty":1,"max_new_tokens":9}"#) {
      node in
      let greedy = try await expected(node, 9, .greedy)
      #expect(try await text(node, nil)["generated_text"] == .string(greedy))
    }
  }

  @Test("The network's own service takes the same defaults")
  func service() async throws {
    try await withNode(#"{"do_sample":false,"repetition_penalty":1.9,"max_new_tokens":7}"#) {
      node in
      let penalised = try await expected(node, 7, SamplingParameters(repetitionPenalty: 1.9))
      try await withRawClient(of: node) { client in
        var request = Plumise_Inference_ForwardRequest()
        request.metadata.originalPrompt = "Hello there"
        let answer = try await Plumise_Inference_InferencePipeline.Client(wrapping: client)
          .forwardPass(request)
        #expect(answer.success, "\(answer.error)")
        #expect(answer.generatedText == penalised)
        #expect(answer.numTokens == 7)
      }
    }
  }

  @Test("Any id of a list ends a text, and the stream names which")
  func ends() async throws {
    let golden = try TinyModel()
    let ids = try golden.ids("case2.generated_ids")
    let stop = ids[4]
    let before = Array(ids.prefix { $0 != stop })
    let checkpoint = try model(#"{"eos_token_id":[2,\#(stop)]}"#)
    defer { try? FileManager.default.removeItem(at: checkpoint.directory) }
    try await withPetalsNode(NodeConfiguration(checkpoint: checkpoint)) { node in
      try await withPipelineClient(ModelEnds(checkpoint), transports: [node.transport]) { client in
        let result = try await client.generate(
          PipelineRequest(
            promptIDs: golden.ids("case2.input_ids"), maximumNewTokens: ids.count)
        ).collect()
        #expect(result.generatedIDs == before)
        #expect(result.finishReason == .endOfSequence && result.endID == stop)
      }
    }
  }

  @Test("A file that asks for beams keeps the HTTP API from starting, by name")
  func beams() async throws {
    let error = try await #require(throws: CheckpointError.self) {
      try await withNode(#"{"num_beams":4}"#) { _ in }
    }
    #expect("\(error)".contains("generation_config.json: num_beams: expected 1.0, found 4"))
  }
}
