import Bloom
import Foundation
import TestVectors
import Testing

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

  var layerCount: Int { checkpoint.configuration.layerCount }

  func ids(_ name: String) throws -> [Int32] {
    try expected.integers(name).map { Int32($0) }
  }

  func shard(_ range: Range<Int>) throws -> Shard {
    try Shard(checkpoint, layers: LayerRange(range, of: layerCount))
  }
}
