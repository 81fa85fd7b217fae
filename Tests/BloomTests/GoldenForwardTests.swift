import Bloom
import Foundation
import TestSupport
import TestVectors
import Testing

@Suite("Golden forward passes")
struct GoldenForwardTests {
  @Test("Embeddings, both shards and logits equal the reference's", arguments: GoldenCase.all)
  func wholePrompt(_ golden: GoldenCase) async throws {
    let model = try GoldenModel.of(golden.model)
    let ids = try model.ids("\(golden.name).input_ids")
    let embedded = try Embedding(model.checkpoint)(ids)
    expectClose(
      embedded.values, try model.expected.floats("\(golden.name).embeddings"), "embeddings")
    let first = try await model.shard(0..<golden.split).forward(embedded)
    expectClose(
      first.values, try model.expected.floats("\(golden.name).after_first_shard"), "first shard")
    let second = try await model.shard(golden.split..<model.blockCount).forward(first)
    expectClose(
      second.values, try model.expected.floats("\(golden.name).after_second_shard"),
      "second shard")
    let logits = try await LanguageModelHead(model.checkpoint).logits(second)
    expectClose(logits.values, try model.expected.floats("\(golden.name).logits"), "logits")
    let last = try await LanguageModelHead(model.checkpoint).logits(second, lastOnly: true)
    expectClose(last.values, logits.last, "last position's logits")
  }

  @Test("A prompt token by token gives what it gives in one go", arguments: GoldenCase.all)
  func tokenByToken(_ golden: GoldenCase) async throws {
    let model = try GoldenModel.of(golden.model)
    let embedded = try Embedding(model.checkpoint)(try model.ids("\(golden.name).input_ids"))
    let shard = try model.shard(0..<golden.split)
    let cache = shard.makeCache(maximumLength: embedded.tokens)
    var values: [Float] = []
    for token in 0..<embedded.tokens {
      values += try await shard.forward(embedded.slice(token..<token + 1), cache: cache).values
    }
    #expect(cache.position == embedded.tokens)
    expectClose(
      values, try model.expected.floats("\(golden.name).after_first_shard"), "token by token")
  }

  @Test("Sequences of a batch equal the reference's", arguments: TestVectors.Model.allCases)
  func batch(_ name: TestVectors.Model) async throws {
    let model = try GoldenModel.of(name)
    let split = try #require(GoldenCase.cases(of: name).first).split
    let ids = try model.ids("batch.input_ids")
    let expected = try model.expected.floats("batch.after_first_shard")
    let length = ids.count / 3
    let size = expected.count / 3
    let shard = try model.shard(0..<split)
    let steps = try (0..<3).map { row in
      SessionStep(
        input: try Embedding(model.checkpoint)(Array(ids[row * length..<(row + 1) * length])),
        cache: shard.makeCache(maximumLength: length))
    }
    let found = try await shard.forward(batch: steps)
    for row in 0..<3 {
      expectClose(
        found[row].values, expected[row * size..<(row + 1) * size], "row \(row) of the batch")
    }
  }

  @Test("Gradients at both shards' inputs equal the reference's", arguments: GoldenCase.all)
  func gradients(_ golden: GoldenCase) async throws {
    let model = try GoldenModel.of(golden.model)
    let expected = model.expected
    let first = try await model.shard(0..<golden.split).backward(
      input: expected.hiddenStates("\(golden.name).embeddings"),
      outputGradient: expected.hiddenStates("\(golden.name).first_shard.grad_output"))
    expectClose(
      first.values, try expected.floats("\(golden.name).first_shard.grad_input"), "first shard")
    let second = try await model.shard(golden.split..<model.blockCount).backward(
      input: expected.hiddenStates("\(golden.name).after_first_shard"),
      outputGradient: expected.hiddenStates("\(golden.name).second_shard.grad_output"))
    expectClose(
      second.values, try expected.floats("\(golden.name).second_shard.grad_input"),
      "second shard")
  }

  @Test("Greedy decoding generates the reference's ids", arguments: GoldenCase.all)
  func generation(_ golden: GoldenCase) async throws {
    let model = try GoldenModel.of(golden.model)
    let expected = try model.ids("\(golden.name).generated_ids")
    let generation = try await LocalGenerator(model.checkpoint).generate(
      GenerationRequest(
        prompt: try model.ids("\(golden.name).input_ids"), maxNewTokens: expected.count))
    #expect(generation.ids == expected)
  }
}

/// One case of a golden checkpoint: inputs, and what torch and transformers made of them.
struct GoldenCase: Sendable, CustomTestStringConvertible {
  let model: TestVectors.Model
  let name: String
  let split: Int

  var testDescription: String { "\(model.rawValue) \(name)" }

  /// Every case of every model; an empty set of any model is a fault of the data.
  static let all: [GoldenCase] = TestVectors.Model.allCases.flatMap { cases(of: $0) }

  static func cases(of model: TestVectors.Model) -> [GoldenCase] {
    struct File: Decodable {
      struct Case: Decodable {
        let name: String
        let split: Int
      }
      let cases: [Case]
    }
    do {
      let data = try Data(
        contentsOf: TestVectors.bloom(model).appending(path: "expected.json"))
      let cases = try JSONDecoder().decode(File.self, from: data).cases
      precondition(!cases.isEmpty, "no golden cases for \(model.rawValue)")
      return cases.map { GoldenCase(model: model, name: $0.name, split: $0.split) }
    } catch {
      preconditionFailure("golden cases of \(model.rawValue): \(error)")
    }
  }
}

/// A golden checkpoint, opened once for all tests.
final class GoldenModel: Sendable {
  let checkpoint: Checkpoint
  let expected: Safetensors

  private static let opened: [TestVectors.Model: Result<GoldenModel, any Error>] =
    Dictionary(
      uniqueKeysWithValues: TestVectors.Model.allCases.map { model in
        (model, Result { try GoldenModel(model) })
      })

  static func of(_ model: TestVectors.Model) throws -> GoldenModel {
    try #require(opened[model]).get()
  }

  private init(_ model: TestVectors.Model) throws {
    let folder = TestVectors.bloom(model)
    checkpoint = try Checkpoint(directory: folder)
    expected = try Safetensors(folder.appending(path: "expected.safetensors"))
  }

  var blockCount: Int { checkpoint.configuration.blockCount }

  func ids(_ name: String) throws -> [Int32] {
    try expected.integers(name).map { Int32($0) }
  }

  func shard(_ range: Range<Int>) throws -> Shard {
    try Shard(checkpoint, blocks: BlockRange(range, of: blockCount))
  }
}
