import Bloom
import Foundation
import PlumiseWire
import Subprocess
import TestSupport
import TestVectors
import Testing

/// The arithmetic of each set of kernels that this processor has, chosen by the environment.
@Suite("Sets of kernels", .timeLimit(.minutes(5)))
struct KernelSetTests {
  private static let golden = "case2"

  private static func list(_ ids: [Int64]) -> String {
    ids.map { "\($0)" }.joined(separator: ",")
  }

  private func logits(
    _ model: String, _ ids: String, _ set: KernelSet, to file: String
  ) async throws -> [Float] {
    let result = try await Command.run(
      ["forward", "--model", model, "--token-ids", ids, "--output", file],
      with: ["BLOOM_KERNELS": set.rawValue])
    #expect(result.status == .exited(0), "\(set): \(result.errors)")
    return try #require(try TensorBytes(file).floats("logits"))
  }

  @Test(
    "Each set computes the reference's logits and ids", arguments: KernelSet.available,
    TestVectors.Model.allCases)
  func reference(_ set: KernelSet, _ vector: TestVectors.Model) async throws {
    let model = TestVectors.bloom(vector).path
    let expected = try TensorBytes("\(model)/expected.safetensors")
    let prompt = Self.list(try #require(expected.integers("\(Self.golden).input_ids")))
    try await withTemporaryFolder { folder in
      let closeness = Closeness(
        of: try await logits(model, prompt, set, to: folder.file("out")),
        to: try #require(expected.floats("\(Self.golden).logits")))
      #expect(closeness.worst <= Closeness.float32, "\(set): \(closeness)")
    }
    let ids = try #require(expected.integers("\(Self.golden).generated_ids"))
    let result = try await Command.run(
      [
        "generate", "--model", model, "--token-ids", prompt, "--max-new-tokens", "\(ids.count)",
        "--json",
      ], with: ["BLOOM_KERNELS": set.rawValue])
    #expect(result.status == .exited(0), "\(set): \(result.errors)")
    #expect(try result.json()["generated_ids"] == .array(ids.map { .integer($0) }), "\(set)")
  }

  @Test(
    "Each set gives the portable one's logits for a prompt as long as its panels want",
    arguments: ElementType.allCases)
  func longPrompt(_ dtype: ElementType) async throws {
    try await withTemporaryFolder { folder in
      let target = folder.appending(path: "model")
      try ModelSynthesizer.synthesize(shape: .tiny, dtype: dtype, into: target)
      let ids = Self.list((0..<70).map { 33 + $0 % 90 })
      let model = target.path
      // Vectors are rounded for quantized weights, in each set at other places; the BLAS takes them as they
      // are.
      let tolerance: Float = QuantizedType(dtype) == nil ? Closeness.float32 : 1e-3
      let wanted = try await logits(model, ids, .portable, to: folder.file("portable"))
      for set in KernelSet.available.dropFirst() {
        let found = try await logits(model, ids, set, to: folder.file(set.rawValue))
        let closeness = Closeness(of: found, to: wanted)
        #expect(closeness.worst <= tolerance, "\(set): \(closeness)")
      }
    }
  }

  @Test("Figures name the set that computed them", arguments: KernelSet.available)
  func bench(_ set: KernelSet) async throws {
    let result = try await Command.run(
      ["bench", "--only", "fixtures", "--runs", "1", "--json"],
      with: ["BLOOM_KERNELS": set.rawValue])
    #expect(try result.json()["machine"]?["kernels"]?.stringValue == set.rawValue)
  }

  @Test("A set that is unknown, or that the processor lacks, is refused by the program")
  func refusals() async throws {
    let missing = KernelSet.allCases.filter { !KernelSet.available.contains($0) }.map(\.rawValue)
    for setting in missing + ["sse9"] {
      try await Command.run(
        ["generate", "--model", GenerateTests.tiny, "--token-ids", "1"],
        with: ["BLOOM_KERNELS": setting]
      ).expectRefusal("BLOOM_KERNELS", "portable", setting)
    }
  }
}
