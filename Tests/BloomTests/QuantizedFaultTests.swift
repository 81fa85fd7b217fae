import Bloom
import Foundation
import Testing

@Suite("Faulty checkpoints of 8-bit weights")
struct QuantizedFaultTests {
  private static let dense = "h.0.self_attention.dense.weight"

  /// A checkpoint whose one matrix is of 8-bit weights; `scales` changes the tensor of its scales.
  private func checkpoint(
    _ scales: (inout SmallCheckpoint.Tensor) -> Void = { _ in }, scale: Float = 0.5
  ) -> SmallCheckpoint {
    var result = SmallCheckpoint()
    result.tensors.removeAll { $0.name == Self.dense }
    // What is left must cover the data without a gap.
    result.data = []
    for index in result.tensors.indices {
      let start = result.data.count
      result.data += [UInt8](repeating: 0, count: result.tensors[index].shape.reduce(4, *))
      result.tensors[index].offsets = [start, result.data.count]
    }
    let start = result.data.count
    for _ in 0..<6 {
      withUnsafeBytes(of: scale.bitPattern.littleEndian) { result.data += $0 }
    }
    var tensor = SmallCheckpoint.Tensor(
      name: Self.dense + "_scale", type: "F32", shape: [6, 1], offsets: [start, start + 24])
    scales(&tensor)
    result.tensors.append(tensor)
    result.data += (0..<36).map { UInt8(bitPattern: Int8($0) - 18) }
    result.tensors.append(
      .init(name: Self.dense, type: "I8", shape: [6, 6], offsets: [start + 24, start + 60]))
    return result
  }

  private func expectRefusal(_ checkpoint: SmallCheckpoint, _ words: String...) async throws {
    try await withTemporaryFolder { folder in
      try checkpoint.write(to: folder)
      let error = try #require(throws: CheckpointError.self) { try Checkpoint(directory: folder) }
      for word in words { #expect("\(error)".contains(word), "\(error)") }
    }
  }

  @Test("The unspoilt one opens, wherever its scales lie")
  func unspoilt() async throws {
    for padding in ["", " "] {
      try await withTemporaryFolder { folder in
        var small = checkpoint()
        small.padding = padding
        try small.write(to: folder)
        let opened = try Checkpoint(directory: folder)
        let report = try await CheckpointReport(opened)
        let matrix = try #require(report.tensors.first { $0.name == Self.dense })
        #expect(matrix.type == .q8)
        #expect(matrix.byteCount == 36 + 24)
        #expect(matrix.largestMagnitude == 9)
        let states = try Embedding(opened)([1, 2])
        let output = try await Shard(opened, layers: LayerRange(all: 1)).forward(states)
        #expect(output.values.allSatisfy { $0.isFinite })
      }
    }
  }

  @Test("Scales that are missing, of another type or of another shape are refused by name")
  func scales() async throws {
    try await expectRefusal(checkpoint { $0.name = "other" }, Self.dense + "_scale", "missing")
    try await expectRefusal(
      checkpoint { $0.type = "I32" }, Self.dense + "_scale", "expected type F32", "I32")
    try await expectRefusal(
      checkpoint { $0.shape = [1, 6] }, Self.dense + "_scale", "[6, 1]", "[1, 6]")
  }

  @Test("A vector of integers is refused")
  func vector() async throws {
    var small = checkpoint()
    small.change("ln_f.weight") { $0.type = "I32" }
    try await expectRefusal(small, "ln_f.weight", "expected type F32, F16 or BF16")
  }

  @Test("A scale that is no number is found by the full check")
  func notANumber() async throws {
    try await withTemporaryFolder { folder in
      try checkpoint(scale: .nan).write(to: folder)
      let opened = try Checkpoint(directory: folder)
      let error = try await #require(throws: CheckpointError.self) {
        try await CheckpointReport(opened)
      }
      #expect("\(error)".contains(Self.dense + "_scale"))
    }
  }
}
