import Bloom
import Foundation
import Synchronization
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
    await #expect(throws: TokenError.tooLong(prompt: 2047, newTokens: 2, limit: 2048)) {
      try await generator.generate(GenerationRequest(prompt: prompt, maxNewTokens: 2))
    }
    await #expect(throws: TokenError.tooLong(prompt: 1, newTokens: .max, limit: 2048)) {
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
