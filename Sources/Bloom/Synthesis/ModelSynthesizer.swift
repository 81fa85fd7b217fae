import BloomKernels
public import Foundation
import JSONValues
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
    try AtomicDirectory.make(directory) { draft in
      do {
        try Data(SyntheticTokenizer.file.utf8).write(to: draft.appending(path: "tokenizer.json"))
        try Data(file(configuration, dtype, name: "synthetic/\(shape.rawValue)").utf8)
          .write(to: draft.appending(path: "config.json"))
      } catch {
        throw CheckpointError.unwritableFile(
          path: draft.path(percentEncoded: false), reason: error.systemReason)
      }
      let file = draft.appending(path: "model.safetensors")
      guard let quantized = QuantizedType(dtype) else {
        let weights = SyntheticWeights(configuration: configuration, element: dtype, seed: seed)
        return try write(weights, to: file, progress: progress)
      }
      // The integers nearest to the float32 weights of the same seed.
      let weights = SyntheticWeights(configuration: configuration, element: .f32, seed: seed)
      let writer = QuantizedWriter(configuration: configuration, layout: quantized.layout) {
        tensor, first, count, target in
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
      "_name_or_path": \(JSON.string(name).text),
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
      "torch_dtype": \(JSON.string(dtype.torchName).text)
    }

    """
  }
}

/// The shapes of the models that can be made up.
public enum SyntheticShape: String, Sendable, CaseIterable {
  /// 24 blocks, hidden 64, 4 heads, vocabulary 512: a whole network runs on it in milliseconds.
  case tiny
  /// The shape of bigscience/bloom-560m: 24 blocks, hidden 1024, 16 heads, vocabulary 250 880.
  case bloom560m = "bloom-560m"

  /// The model's configuration; id 2 ends a sequence.
  public var configuration: BloomConfiguration {
    do {
      return switch self {
      case .tiny:
        try BloomConfiguration(
          vocabularySize: 512, hiddenSize: 64, headCount: 4, blockCount: 24, bosTokenID: 1,
          eosTokenID: 2, padTokenID: 3)
      case .bloom560m:
        try BloomConfiguration(
          vocabularySize: 250_880, hiddenSize: 1024, headCount: 16, blockCount: 24, bosTokenID: 1,
          eosTokenID: 2, padTokenID: 3)
      }
    } catch {
      preconditionFailure("a fixed shape is valid: \(error)")
    }
  }
}

/// Seeded weights with which a model's output depends on its whole context.
///
/// Random weights alone make a poor stand-in: greedy decoding soon repeats one id for ever. Two
/// things see to that, and are undone here:
/// * The embedding is also the LM head, so the residual stream carries each input token straight to
///   its own logit. Layer norms have random signs, which makes the two strangers to each other.
/// * GELU's results have a positive mean, a constant that outgrows what differs between tokens. The
///   columns of the second feed-forward matrix come in pairs of opposite signs, where it cancels.
///
/// Deviations are such that ids rarely repeat, that the first of a few hundred tokens still changes
/// them, and that a rounding error grows less than tenfold on its way to the logits.
///
/// Only printable bytes have embeddings long enough to win: text stays readable, and generation
/// neither ends early nor leaves the tokenizer's ids. (What enters the model is normalised, so the
/// other ids are tokens like any other.)
struct SyntheticWeights: Sendable {
  private enum Recipe {
    /// Plus or minus one.
    case signs
    /// Uniform, in pairs of opposite signs.
    case pairs(Float)
    /// Uniform, with a deviation for each row.
    case rows((Int) -> Float)
  }

  let configuration: BloomConfiguration
  let element: ElementType
  let seed: UInt64

  /// Ids of the printable ASCII bytes, which the tokenizer has in one run.
  static let readableRows =
    SyntheticTokenizer.id(of: 0x21)..<SyntheticTokenizer.id(of: 0x7E) + 1

  /// Fills `target` with elements `first` ..< `first + count` of a tensor.
  func fill(
    _ tensor: SafetensorsWriter.Tensor, first: Int, count: Int,
    into target: UnsafeMutableRawPointer
  ) {
    let stream = seed &* 0x9e37_79b9_7f4a_7c15 ^ Self.hash(tensor.name)
    switch recipe(tensor.name) {
    case .signs:
      bloom_signs(stream, UInt64(first), count, 1, element.kernelElement, target)
    case .pairs(let deviation):
      bloom_uniform_pairs(
        stream, UInt64(first), count, Self.limit(deviation), element.kernelElement, target)
    case .rows(let deviation):
      let width = tensor.shape.count == 2 ? tensor.shape[1] : 1
      var next = first
      while next < first + count {
        let row = next / width
        var end = row + 1
        while end * width < first + count, deviation(end) == deviation(row) { end += 1 }
        let length = min(end * width, first + count) - next
        bloom_uniform(
          stream, UInt64(next), length, Self.limit(deviation(row)), element.kernelElement,
          target + (next - first) * element.size)
        next += length
      }
    }
  }

  private func recipe(_ name: String) -> Recipe {
    let unit = 1 / Float(configuration.hiddenSize).squareRoot()
    switch name {
    case CheckpointLayout.embedding:
      return .rows { Self.readableRows.contains($0) ? unit : unit / 64 }
    case _ where name.hasSuffix(".bias"):
      return .rows { _ in 0.02 }
    case _ where name.hasSuffix("query_key_value.weight"):
      // Queries and keys are twice as long as values: attention picks, rather than averages.
      let headSize = configuration.headSize
      return .rows { $0 / headSize % 3 == 2 ? unit : 2 * unit }
    case _ where name.hasSuffix("self_attention.dense.weight"):
      return .rows { _ in 1.5 * unit }
    case _ where name.hasSuffix("dense_h_to_4h.weight"):
      return .rows { _ in 3 * unit }
    case _ where name.hasSuffix("dense_4h_to_h.weight"):
      return .pairs(unit)
    default:
      return .signs
    }
  }

  /// A uniform distribution's deviation is its limit over the square root of three.
  private static func limit(_ deviation: Float) -> Float { deviation * Float(3).squareRoot() }

  private static func hash(_ name: String) -> UInt64 {
    name.utf8.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
  }
}

/// The tokenizer of a made-up model: four special tokens and one token for each byte.
enum SyntheticTokenizer {
  /// Ids 0 to 3, as in BLOOM.
  static let specials = ["<unk>", "<s>", "</s>", "<pad>"]

  /// One past the highest id.
  static let count = specials.count + 256

  /// The id of a byte: in the order of BLOOM's alphabet, printable bytes first.
  static func id(of byte: UInt8) -> Int {
    specials.count + (order.firstIndex(of: byte) ?? 0)
  }

  /// BLOOM's own pre-tokenizer: a run of anything but white space and punctuation, with the space
  /// before it.
  static let pattern = #" ?[^(\s|[.,!?…。，、।۔،])]+"#

  /// The bytes by their characters' code points.
  private static let order = (0...255).map { UInt8($0) }
    .sorted { ByteAlphabet.scalars[Int($0)] < ByteAlphabet.scalars[Int($1)] }

  /// `tokenizer.json`.
  static var file: String {
    let added = specials.enumerated().map { id, content in
      "{\"id\":\(id),\"content\":\(JSON.string(content).text),\"single_word\":false,"
        + "\"lstrip\":false,\"rstrip\":false,\"normalized\":false,\"special\":true}"
    }
    let spellings = specials + order.map { String(ByteAlphabet.scalars[Int($0)]) }
    let vocabulary = spellings.enumerated().map { "\(JSON.string($1).text):\($0)" }
    return """
      {"version":"1.0","truncation":null,"padding":null,
      "added_tokens":[\(added.joined(separator: ","))],
      "normalizer":null,
      "pre_tokenizer":{"type":"Sequence","pretokenizers":[
      {"type":"Split","pattern":{"Regex":\(JSON.string(pattern).text)},"behavior":"Isolated",\
      "invert":false},
      {"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":false}]},
      "post_processor":{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":false,\
      "use_regex":false},
      "decoder":{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,"use_regex":true},
      "model":{"type":"BPE","dropout":null,"unk_token":null,"continuing_subword_prefix":null,\
      "end_of_word_suffix":null,"fuse_unk":false,"byte_fallback":false,"ignore_merges":false,
      "vocab":{\(vocabulary.joined(separator: ","))},"merges":[]}}

      """
  }
}
