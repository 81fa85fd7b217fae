import BloomKernels
import Foundation

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
