public import Foundation

/// Makes up a checkpoint in Hugging Face layout, with seeded weights.
public enum ModelSynthesizer {
  /// How far the weights are written.
  public struct Progress: Sendable, Hashable {
    /// Bytes of weights written so far.
    public let bytesWritten: Int
    /// Bytes of weights in all.
    public let totalBytes: Int

    /// 0 to 1.
    public var fraction: Double { Double(bytesWritten) / Double(totalBytes) }
  }

  /// Writes `config.json`, `tokenizer.json` and `model.safetensors` into `directory`, which is made
  /// when missing.
  ///
  /// The same shape, type and seed give the same bytes on every machine. Each file appears under its
  /// name only when it is whole, the weights last: a folder that holds them is a complete
  /// checkpoint. Throws ``CheckpointError`` when something cannot be written.
  public static func synthesize(
    shape: SyntheticShape, dtype: ElementType, seed: UInt64 = 0, into directory: URL,
    progress: (Progress) -> Void = { _ in }
  ) throws {
    let configuration = shape.configuration
    let path = directory.path(percentEncoded: false)
    do {
      try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
      try Data(SyntheticTokenizer.file.utf8)
        .write(to: directory.appending(path: "tokenizer.json"), options: .atomic)
      try Data(file(configuration, dtype, name: "synthetic/\(shape.rawValue)").utf8)
        .write(to: directory.appending(path: "config.json"), options: .atomic)
    } catch {
      throw CheckpointError.unwritableFile(path: path, reason: error.localizedDescription)
    }
    let weights = SyntheticWeights(configuration: configuration, element: dtype, seed: seed)
    try write(
      weights, to: directory.appending(path: "model.safetensors"), progress: progress)
  }

  private static func write(
    _ weights: SyntheticWeights, to url: URL, progress: (Progress) -> Void
  ) throws {
    guard let type = SafetensorsType(rawValue: weights.element.rawValue) else {
      preconditionFailure("every weight type is a safetensors type")
    }
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
      "n_layer": \(configuration.layerCount),
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
