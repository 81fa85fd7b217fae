import Bloom
import Foundation
import PetalsNode
import PlumiseTesting
import TestVectors

/// A prompt and what the reference implementation generates from it, greedily.
struct GoldenGeneration {
  let model: ModelEnds
  let prompt: [Int32]
  let generated: [Int32]

  /// One of the cases 0…3 of a golden model.
  init(_ model: TestVectors.Model, number: Int) throws {
    let folder = TestVectors.bloom(model)
    let expected = try Safetensors(folder.appending(path: "expected.safetensors"))
    self.model = ModelEnds(
      try Checkpoint(directory: folder), tokenizer: try Tokenizer(directory: folder))
    prompt = try expected.integers("case\(number).input_ids").map(Int32.init)
    generated = try expected.integers("case\(number).generated_ids").map(Int32.init)
  }

  /// A network that serves the golden model.
  func plan(nodes: Int) throws -> NetworkPlan { try NetworkPlan(nodes: nodes, model: model) }
}
