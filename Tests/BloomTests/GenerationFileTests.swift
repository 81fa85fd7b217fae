import Bloom
import Foundation
import Testing

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
