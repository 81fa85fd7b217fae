internal import BloomKernels

/// Scores that nothing can be chosen by, since one of them is infinite or no number.
///
/// Weights that are no numbers lead there, and hidden states so large that a layer norm overflows.
/// Whoever chooses a token asks ``Sampler/choose(logits:context:)``, in this process, through nodes
/// and for the HTTP API: so all of them refuse the same scores in the same words.
public struct ScoreError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The first entry of the vocabulary whose score is at fault.
  public let id: Int32
  /// Its score: `nan`, `inf` or `-inf`.
  public let score: String

  /// One line that says what is wrong.
  public var description: String {
    "the scores of the next token are not all finite: that of id \(id) is \(score); the model's "
      + "weights, or a node that computed with them, are at fault"
  }

  /// Requires that every score is finite.
  static func check(_ scores: UnsafeBufferPointer<Float>) throws(ScoreError) {
    guard !bloom_largest_magnitude(scores.baseAddress, scores.count).isFinite else { return }
    let id = scores.firstIndex { !$0.isFinite } ?? 0
    // Of a number that is none, the sign says nothing.
    let score = scores[id].isNaN ? "nan" : "\(scores[id])"
    throw ScoreError(id: Int32(clamping: id), score: score)
  }
}
