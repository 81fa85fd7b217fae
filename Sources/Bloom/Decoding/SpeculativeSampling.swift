/// A token that a draft model proposes, with what it was drawn from.
package struct Proposal: Sendable {
  /// The token.
  package let id: Int32
  /// The draft model's probabilities; nil where the highest score is taken.
  package let probabilities: [Float]?

  /// A proposal by its parts.
  package init(id: Int32, probabilities: [Float]?) {
    self.id = id
    self.probabilities = probabilities
  }
}

/// What became of a draft model's proposals.
public struct DraftStatistics: Hashable, Sendable {
  /// Passes of the target model that verified proposals.
  public var passes = 0
  /// Tokens that were proposed.
  public var proposed = 0
  /// Proposed tokens that were accepted.
  public var accepted = 0

  /// Nothing was proposed yet.
  public init() {}

  /// Accepted tokens as a share of those that were proposed; 0 for none.
  public var acceptance: Double { proposed > 0 ? Double(accepted) / Double(proposed) : 0 }

  /// Counts a pass.
  package mutating func count(proposed: Int, accepted: Int) {
    guard proposed > 0 else { return }
    passes += 1
    self.proposed += proposed
    self.accepted += accepted
  }
}

// Speculative sampling: Leviathan, Kalman, Matias, "Fast Inference from Transformers via Speculative
// Decoding" (2023), algorithm 1. Where the highest score is taken, a proposal is accepted if it is what the
// target model takes; elsewhere with probability min(1, p/q), and another token is drawn from the positive
// part of p - q where it is not. Both give what the target model alone would: the same ids, or ids of the
// same distribution.

extension Sampler {
  /// Chooses as ``choose(logits:context:)`` does, and tells of what.
  ///
  /// - Throws: ``ScoreError`` unless every score is finite.
  package mutating func propose(
    logits: UnsafeBufferPointer<Float>, context: [Int32]
  ) throws(ScoreError) -> Proposal {
    try ScoreError.check(logits)
    guard let own = probabilities(logits: logits, context: context) else {
      return Proposal(id: next(logits: logits, context: context), probabilities: nil)
    }
    return Proposal(id: draw(from: own), probabilities: own)
  }

  /// The token after `context`: the proposal, or another one in its place.
  ///
  /// - Parameter logits: The target model's scores.
  /// - Throws: ``ScoreError`` unless every score is finite.
  package mutating func decide(
    on proposal: Proposal, logits: UnsafeBufferPointer<Float>, context: [Int32]
  ) throws(ScoreError) -> (id: Int32, isAccepted: Bool) {
    try ScoreError.check(logits)
    guard var own = probabilities(logits: logits, context: context),
      let other = proposal.probabilities
    else {
      let id = next(logits: logits, context: context)
      return (id, id == proposal.id)
    }
    let index = Int(proposal.id)
    if unit() * Double(other[index]) < Double(own[index]) { return (proposal.id, true) }
    for token in own.indices { own[token] = max(0, own[token] - other[token]) }
    // Nothing is left where both are equal up to rounding: either is as good then.
    guard own.contains(where: { $0 > 0 }) else { return (proposal.id, true) }
    return (draw(from: own), false)
  }
}

/// The tokens that follow a context, by the scores of a pass over its last token and some proposals.
///
/// - Parameters:
///   - proposals: What the pass took behind the context's last token.
///   - context: The tokens so far.
///   - scores: The scores of a row: row 0 is that of the context's last token.
///   - accept: Gets each new token; false ends it.
/// - Returns: How many proposals were accepted.
package func verify(
  _ proposals: [Proposal], by sampler: inout Sampler, context: [Int32],
  scores: (_ row: Int) -> UnsafeBufferPointer<Float>, accept: (Int32) throws -> Bool
) throws -> Int {
  var context = context
  for row in 0...proposals.count {
    let logits = scores(row)
    let (id, isAccepted) =
      row < proposals.count
      ? try sampler.decide(on: proposals[row], logits: logits, context: context)
      : (try sampler.choose(logits: logits, context: context), false)
    let goesOn = try accept(id)
    guard goesOn, isAccepted else { return isAccepted ? row + 1 : row }
    context.append(id)
  }
  return proposals.count
}
