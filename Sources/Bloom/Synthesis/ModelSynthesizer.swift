public import Foundation
import SystemErrors

/// Makes up a checkpoint in Hugging Face layout, with seeded weights.
public enum ModelSynthesizer {
  /// Changes whenever the same shape, type and seed give other bytes, so that nothing made before
  /// is taken for the same model.
  public static let recipeVersion = 2

  /// How far the weights are written.
  public struct Progress: Sendable, Hashable {
    /// Bytes of weights written so far.
    public let bytesWritten: Int
    /// Bytes of weights in all.
    public let totalBytes: Int

    /// 0 to 1.
    public var fraction: Double { Double(bytesWritten) / Double(totalBytes) }
  }

  /// Writes `config.json`, `tokenizer.json` and `model.safetensors` into `directory`, which must be
  /// missing or empty.
  ///
  /// The same shape, type and seed give the same bytes on every machine. The folder appears under
  /// its name only when it is whole; nothing is left of one that is not. Throws ``CheckpointError``
  /// when something cannot be written, and `CancellationError` between two pieces when the task is
  /// cancelled.
  public static func synthesize(
    shape: SyntheticShape, dtype: ElementType, seed: UInt64 = 0, into directory: URL,
    progress: (Progress) -> Void = { _ in }
  ) throws {
    let configuration = shape.configuration
    try DraftFolder.make(directory) { draft in
      do {
        try Data(SyntheticTokenizer.file.utf8).write(to: draft.appending(path: "tokenizer.json"))
        try Data(file(configuration, dtype, name: "synthetic/\(shape.rawValue)").utf8)
          .write(to: draft.appending(path: "config.json"))
      } catch {
        throw CheckpointError.unwritableFile(
          path: draft.path(percentEncoded: false), reason: error.systemReason)
      }
      let file = draft.appending(path: "model.safetensors")
      guard dtype == .q8 else {
        let weights = SyntheticWeights(configuration: configuration, element: dtype, seed: seed)
        return try write(weights, to: file, progress: progress)
      }
      // The integers nearest to the float32 weights of the same seed.
      let weights = SyntheticWeights(configuration: configuration, element: .f32, seed: seed)
      let writer = QuantizedWriter(configuration: configuration) { tensor, first, count, target in
        weights.fill(tensor, first: first, count: count, into: target)
      }
      try writer.write(to: file, progress: progress)
    }
  }

  private static func write(
    _ weights: SyntheticWeights, to url: URL, progress: (Progress) -> Void
  ) throws {
    let type = SafetensorsType(rawValue: weights.element.rawValue)
    let tensors = CheckpointLayout.tensors(weights.configuration).map {
      SafetensorsWriter.Tensor(name: $0.name, type: type, shape: $0.shape)
    }
    let total = tensors.reduce(0) { $0 + $1.byteCount }
    let piece = 1 << 22
    let buffer = UnsafeMutableRawBufferPointer.allocate(
      byteCount: piece * weights.element.size, alignment: 64)
    defer { buffer.deallocate() }
    guard let base = buffer.baseAddress else { return }
    var written = 0
    try SafetensorsWriter.write(tensors, to: url) { tensor, append in
      let count = tensor.shape.reduce(1, *)
      for first in stride(from: 0, to: count, by: piece) {
        try Task.checkCancellation()
        let length = min(piece, count - first)
        fill(weights, tensor, first, length, base)
        let bytes = length * weights.element.size
        try append(UnsafeRawBufferPointer(start: base, count: bytes))
        written += bytes
        progress(Progress(bytesWritten: written, totalBytes: total))
      }
    }
  }

  /// Large pieces are made by all cores.
  private static func fill(
    _ weights: SyntheticWeights, _ tensor: SafetensorsWriter.Tensor, _ first: Int, _ count: Int,
    _ base: UnsafeMutableRawPointer
  ) {
    let share = 1 << 17
    let parts = (count + share - 1) / share
    ComputePool.shared.parallel(parts) { part in
      let start = part * share
      weights.fill(
        tensor, first: first + start, count: min(share, count - start),
        into: base + start * weights.element.size)
    }
  }

  private static func file(
    _ configuration: BloomConfiguration, _ dtype: ElementType, name: String
  ) -> String {
    """
    {
      "_name_or_path": \(JSONText.quoted(name)),
      "architectures": ["BloomForCausalLM"],
      "model_type": "bloom",
      "vocab_size": \(configuration.vocabularySize),
      "hidden_size": \(configuration.hiddenSize),
      "n_layer": \(configuration.blockCount),
      "n_head": \(configuration.headCount),
      "layer_norm_epsilon": 1e-05,
      "apply_residual_connection_post_layernorm": false,
      "unk_token_id": 0,
      "bos_token_id": 1,
      "eos_token_id": 2,
      "pad_token_id": 3,
      "seq_length": \(configuration.sequenceLength),
      "torch_dtype": \(JSONText.quoted(dtype.torchName))
    }

    """
  }
}
