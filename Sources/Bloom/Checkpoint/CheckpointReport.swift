import BloomKernels
import Foundation

/// The contents of a checkpoint, after every weight was checked.
public struct CheckpointReport: Sendable, Hashable {
  /// One tensor.
  public struct Tensor: Sendable, Hashable {
    /// The name without `transformer.`.
    public let name: String
    /// The type of its elements.
    public let type: ElementType
    /// Its sizes, outermost first.
    public let shape: [Int]
    /// Bytes in its file; those of the scales of quantized weights included.
    public let byteCount: Int
    /// The largest magnitude among its elements.
    public let largestMagnitude: Float
  }

  /// The model's name.
  public let name: String
  /// The model's shape.
  public let configuration: BloomConfiguration
  /// The blocks' element type.
  public let elementType: ElementType
  /// Every required tensor, in the order of the forward pass.
  public let tensors: [Tensor]
  /// See ``Checkpoint/fingerprint``.
  public let fingerprint: String
  /// Whether the folder holds `tokenizer.json`.
  public let hasTokenizer: Bool

  /// Weights in all; an embedding that is the LM head too counts once.
  public var parameterCount: Int {
    tensors.reduce(0) { $0 + $1.shape.reduce(1, *) }
  }

  /// Bytes of all weights.
  public var byteCount: Int { tensors.reduce(0) { $0 + $1.byteCount } }

  /// Reads every tensor; throws ``CheckpointError/notFinite(path:tensor:index:)`` for one that
  /// holds an infinity or no number.
  public init(_ checkpoint: Checkpoint) async throws {
    name = checkpoint.name
    configuration = checkpoint.configuration
    elementType = checkpoint.elementType
    fingerprint = checkpoint.fingerprint
    hasTokenizer = FileManager.default.fileExists(
      atPath: checkpoint.directory.appending(path: "tokenizer.json").path(percentEncoded: false))
    tensors = try await ComputePool.shared.run { cancellation in
      try CheckpointLayout.tensors(checkpoint.configuration).map { name, _ in
        try cancellation.check()
        let tensor = checkpoint.tensor(name)
        guard let scales = checkpoint.scales(of: name) else { return try inspect(name, tensor) }
        return try inspect(name, tensor, scales)
      }
    }
  }

}

private func inspect(
  _ name: String, _ tensor: StoredTensor
) throws(CheckpointError) -> CheckpointReport.Tensor {
  let piece = 1 << 16
  let floats = FloatBuffer(count: min(piece, tensor.count))
  var largest: Float = 0
  for first in stride(from: 0, to: tensor.count, by: piece) {
    let count = min(piece, tensor.count - first)
    tensor.copy(first..<first + count, into: floats.pointer)
    let magnitude = bloom_largest_magnitude(floats.pointer, count)
    guard magnitude.isFinite else {
      let index = (0..<count).first { !floats.pointer[$0].isFinite } ?? 0
      throw .notFinite(path: tensor.file.path, tensor: tensor.name, index: first + index)
    }
    largest = max(largest, magnitude)
  }
  return CheckpointReport.Tensor(
    name: name, type: tensor.elementType, shape: tensor.shape, byteCount: tensor.range.count,
    largestMagnitude: largest)
}

/// Quantized weights: integers are always finite, their scales are looked at.
private func inspect(
  _ name: String, _ tensor: StoredTensor, _ scales: StoredTensor
) throws(CheckpointError) -> CheckpointReport.Tensor {
  let own = try inspect(scales.name, scales)
  let matrix = WeightMatrix(tensor, scales: scales)
  let row = FloatBuffer(count: matrix.columns)
  var largest: Float = 0
  for index in 0..<matrix.rows {
    matrix.copyRow(index, into: row.pointer)
    largest = max(largest, bloom_largest_magnitude(row.pointer, row.count))
  }
  return CheckpointReport.Tensor(
    name: name, type: matrix.elementType, shape: tensor.shape,
    byteCount: tensor.range.count + own.byteCount, largestMagnitude: largest)
}
