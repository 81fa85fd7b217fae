import Bloom
import Foundation
import PetalsNode
import PlumiseTesting
import TestVectors

/// A prompt and what the reference implementation generates from it, greedily.
struct GoldenGeneration {
  let model: ClientModel
  let prompt: [Int32]
  let generated: [Int32]

  /// One of the cases 0…3 of a golden model.
  init(_ model: TestVectors.Model, number: Int) throws {
    let folder = TestVectors.bloom(model)
    let expected = try Safetensors(folder.appending(path: "expected.safetensors"))
    self.model = ClientModel(
      try Checkpoint(directory: folder), tokenizer: try Tokenizer(directory: folder))
    prompt = try expected.integers("case\(number).input_ids").map(Int32.init)
    generated = try expected.integers("case\(number).generated_ids").map(Int32.init)
  }

  /// A network that serves the golden model.
  func plan(nodes: Int) throws -> NetworkPlan { try NetworkPlan(nodes: nodes, model: model) }
}

/// A checkpoint that opens without complaint and computes nothing but NaN.
struct BrokenModel {
  let checkpoint: Checkpoint
  private let folder: URL

  init() throws {
    folder = FileManager.default.temporaryDirectory
      .appending(path: "plumise-broken-model-\(UUID().uuidString)")
    try ModelSynthesizer.synthesize(shape: .tiny, dtype: .f16, into: folder)
    let weights = folder.appending(path: "model.safetensors")
    let file = try FileHandle(forUpdating: weights)
    // The header's length is its first eight bytes; every element after it becomes NaN.
    let length = try file.read(upToCount: 8) ?? Data()
    let start =
      8 + length.enumerated().reduce(UInt64(0)) { $0 | UInt64($1.element) << (8 * $1.offset) }
    let end = try file.seekToEnd()
    try file.seek(toOffset: start)
    try file.write(contentsOf: Data(repeating: 0xFF, count: Int(end - start)))
    try file.close()
    checkpoint = try Checkpoint(directory: folder)
  }

  func remove() {
    do {
      try FileManager.default.removeItem(at: folder)
    } catch {
      // The system cleans up after us: these are temporary files.
    }
  }
}
