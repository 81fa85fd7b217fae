import Bloom
import Testing

@Suite("Scores that are no numbers")
struct ScoreTests {
  static let places = [
    ("ln_f.weight", 3), ("ln_f.bias", 0), ("h.0.mlp.dense_4h_to_h.bias", 3),
    ("h.0.self_attention.dense.weight", 7), ("word_embeddings.weight", 30),
    ("h.0.input_layernorm.bias", 1),
  ]

  @Test(
    "A weight that is no number ends a generation in this process", arguments: places,
    [.nan, .infinity, -.infinity] as [Float])
  func weight(_ place: (name: String, index: Int), _ value: Float) async throws {
    var checkpoint = SmallCheckpoint()
    checkpoint.set(place.name, place.index, to: value)
    let generator = LocalGenerator(try await checkpoint.opened())
    for sampling in [.greedy, try SamplingParameters(temperature: 0.7, topP: 0.9)] {
      // Id 5 is the one whose row of the embedding is spoilt above.
      await #expect(throws: ScoreError.self) {
        try await generator.generate(
          GenerationRequest(prompt: [4, 5, 6], maxNewTokens: 4, sampling: sampling))
      }
    }
  }

  @Test("Scores beyond the largest number end a generation too")
  func overflow() async throws {
    var checkpoint = SmallCheckpoint()
    for index in 0..<6 { checkpoint.set("ln_f.bias", index, to: 1e37) }
    for index in 0..<6 { checkpoint.set("word_embeddings.weight", 54 + index, to: 3e38) }
    let error = try await #require(throws: ScoreError.self) {
      try await LocalGenerator(checkpoint.opened()).generate(
        GenerationRequest(prompt: [4], maxNewTokens: 1))
    }
    #expect(error.id == 9 && error.score == "inf")
  }
}
