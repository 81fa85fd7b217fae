import Bloom
import Foundation
import Synchronization
import TestSupport
import TestVectors
import Testing

@Suite("Local generation")
struct GenerationTests {
  @Test("Each id is handed on as it is made, and all of them at the end")
  func streaming() async throws {
    let seen = Mutex<[Int32]>([])
    let generation = try await LocalGenerator(TinyModel.checkpoint()).generate(
      GenerationRequest(prompt: TinyModel.prompt(5), maxNewTokens: 7)
    ) { id in seen.withLock { $0.append(id) } }
    #expect(generation.ids.count == 7)
    #expect(seen.withLock { $0 } == generation.ids)
    #expect(generation.timeToFirstToken <= generation.duration)
  }

  @Test("The end-of-sequence id stops, and is not among the ids")
  func endOfSequence() async throws {
    // A model that generates some id is told that this id ends a sequence.
    let golden = try GoldenModel.of(.oddF32Sharded)
    let prompt = try golden.ids("case3.input_ids")
    let expected = try golden.ids("case3.generated_ids")
    let stop = expected[5]
    let before = Array(expected.prefix { $0 != stop })
    try await withTemporaryFolder { folder in
      let source = golden.checkpoint.directory
      for name in try FileManager.default.contentsOfDirectory(
        atPath: source.path(percentEncoded: false))
      {
        try FileManager.default.copyItem(
          at: source.appending(path: name), to: folder.appending(path: name))
      }
      let file = folder.appending(path: "config.json")
      let text = try String(contentsOf: file, encoding: .utf8)
      try text.replacing("\"eos_token_id\": 2", with: "\"eos_token_id\": \(stop)")
        .write(to: file, atomically: true, encoding: .utf8)
      let generation = try await LocalGenerator(Checkpoint(directory: folder)).generate(
        GenerationRequest(prompt: prompt, maxNewTokens: 12))
      #expect(generation.ids == before)
    }
  }

  @Test("Sampling with a seed repeats itself; another seed differs")
  func seeds() async throws {
    let generator = LocalGenerator(try TinyModel.checkpoint())
    let sampling = try SamplingParameters(temperature: 0.8, topP: 0.95, repetitionPenalty: 1.1)
    func ids(_ seed: UInt64) async throws -> [Int32] {
      try await generator.generate(
        GenerationRequest(
          prompt: TinyModel.prompt(4), maxNewTokens: 12, sampling: sampling, seed: seed)
      ).ids
    }
    let first = try await ids(1)
    #expect(try await ids(1) == first)
    #expect(try await ids(2) != first)
  }

  @Test("A prompt that leaves no room is refused by name, one that just fits is not")
  func tooLong() async throws {
    let generator = LocalGenerator(try TinyModel.checkpoint())
    let prompt = TinyModel.prompt(2047)
    await #expect(throws: TokenError.tooLong(prompt: 2047, maxNewTokens: 2, limit: 2048)) {
      try await generator.generate(GenerationRequest(prompt: prompt, maxNewTokens: 2))
    }
    await #expect(throws: TokenError.tooLong(prompt: 1, maxNewTokens: .max, limit: 2048)) {
      try await generator.generate(GenerationRequest(prompt: [4], maxNewTokens: .max))
    }
    try GenerationRequest(prompt: prompt, maxNewTokens: 1)
      .validate(generator.checkpoint.configuration)
  }

  @Test("No prompt, and ids outside the vocabulary, are refused by name")
  func tokens() async throws {
    let generator = LocalGenerator(try TinyModel.checkpoint())
    await #expect(throws: TokenError.noTokens) {
      try await generator.generate(GenerationRequest(prompt: [], maxNewTokens: 1))
    }
    for id in [Int32(512), -1] {
      await #expect(
        throws: TokenError.outsideVocabulary(id: id, index: 1, vocabularySize: 512)
      ) {
        try await generator.generate(GenerationRequest(prompt: [4, id], maxNewTokens: 1))
      }
    }
    let nothing = try await generator.generate(
      GenerationRequest(prompt: [4], maxNewTokens: 0))
    #expect(nothing.ids == [])
  }
}

@Suite("generation_config.json")
struct GenerationFileTests {
  private func open(_ generation: String?, eos: String? = "2") async throws -> Checkpoint {
    var checkpoint = SmallCheckpoint()
    checkpoint.fields["eos_token_id"] = eos
    return try await checkpoint.opened(generation: generation)
  }

  @Test("Any id of a list ends a text", arguments: 0..<4)
  func list(_ position: Int) async throws {
    // The model as it is never ends, so that each of its ids can be made its end.
    let prompt: [Int32] = [5, 6, 7]
    let request = GenerationRequest(prompt: prompt, maxNewTokens: 4)
    let ids = try await LocalGenerator(open(nil, eos: nil)).generate(request).ids
    try #require(ids.count == 4)
    let end = ids[position]
    let others = (0..<10).filter { !ids.contains($0) }
    let model = try await open(nil, eos: "[\(others[0]), \(end), \(end)]")
    #expect(model.configuration.eosTokenIDs == [others[0], end])
    let ended = try await LocalGenerator(model).generate(request).ids
    #expect(ended == Array(ids.prefix { $0 != end }))
  }

  @Test("Its ids come before the configuration's, which stand where it has none")
  func ids() async throws {
    #expect(try await open(nil, eos: "[4, 5]").configuration.eosTokenIDs == [4, 5])
    #expect(try await open("{\"eos_token_id\": [7, 8]}").configuration.eosTokenIDs == [7, 8])
    #expect(try await open("{\"eos_token_id\": 7}").configuration.eosTokenIDs == [7])
    #expect(try await open("{\"eos_token_id\": null}").configuration.eosTokenIDs == [2])
    #expect(try await open("{}").configuration.eosTokenIDs == [2])
    #expect(try await open("{\"eos_token_id\": []}").configuration.eosTokenIDs == [])
    let other = try await open("{\"bos_token_id\": 1, \"pad_token_id\": 3}").configuration
    #expect(other.bosTokenID == 1 && other.padTokenID == 3 && other.eosTokenIDs == [2])
  }

  @Test(
    "An id that nothing is computed with refuses no model",
    arguments: ["pad_token_id", "bos_token_id"], ["-1", "10", "-100", "2147483647", "3"])
  func idle(_ field: String, _ value: String) async throws {
    var checkpoint = SmallCheckpoint()
    checkpoint.fields[field] = value
    for opened in [
      try await checkpoint.opened(), try await open("{\"\(field)\": \(value)}"),
    ] {
      let configuration = opened.configuration
      let id = field == "pad_token_id" ? configuration.padTokenID : configuration.bosTokenID
      #expect(id == (value == "3" ? 3 : nil))
    }
  }

  @Test("Its sampling is read; what it does not say is left open")
  func defaults() async throws {
    let none = try await open("{\"_from_model_config\": true}").generationDefaults
    #expect(none == GenerationDefaults())
    let all = try await open(
      """
      {"do_sample": true, "temperature": 0.25, "top_k": 7, "top_p": 0, "repetition_penalty": 1,
       "max_new_tokens": 300, "num_beams": 1, "typical_p": 1.0, "bad_words_ids": null}
      """
    ).generationDefaults
    #expect(all.doSample == true && all.temperature == 0.25 && all.topK == 7)
    #expect(all.topP == .leastNormalMagnitude && all.repetitionPenalty == 1)
    #expect(all.maxNewTokens == 300)
    try all.requireSupported()
  }

  @Test(
    "What is out of range is refused by name",
    arguments: [
      ("temperature", "-0.1"), ("temperature", "101"), ("temperature", "NaN"), ("top_k", "-1"),
      ("top_k", "2.5"), ("top_p", "1.01"), ("repetition_penalty", "0"),
      ("repetition_penalty", "1e999"), ("do_sample", "1"), ("max_new_tokens", "0"),
      ("eos_token_id", "10"), ("eos_token_id", "[2, -1]"), ("eos_token_id", "\"2\""),
      ("pad_token_id", "4294967296"),
    ])
  func refused(_ field: String, _ value: String) async throws {
    let error = try await #require(throws: CheckpointError.self) {
      try await open("{\"\(field)\": \(value)}")
    }
    #expect("\(error)".contains("generation_config.json: \(field): expected"), "\(error)")
  }

  @Test(
    "Ways of choosing tokens that are not done here are named to whoever takes its defaults",
    arguments: [
      ("num_beams", "4"), ("typical_p", "0.9"), ("min_p", "0.05"), ("no_repeat_ngram_size", "3"),
      ("suppress_tokens", "[5]"), ("stop_strings", "\".\""), ("penalty_alpha", "0.6"),
      ("forced_bos_token_id", "1"), ("guidance_scale", "1.5"), ("remove_invalid_values", "true"),
    ])
  func notDone(_ field: String, _ value: String) async throws {
    let opened = try await open("{\"\(field)\": \(value)}")
    let error = try #require(throws: CheckpointError.self) {
      try opened.generationDefaults.requireSupported()
    }
    #expect("\(error)".contains("generation_config.json: \(field): expected"), "\(error)")
  }

  @Test("One that is no object of JSON is refused", arguments: ["", "{", "[]", "7"])
  func malformed(_ text: String) async throws {
    let error = try await #require(throws: CheckpointError.self) { try await open(text) }
    #expect("\(error)".contains("generation_config.json: "), "\(error)")
  }
}

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
