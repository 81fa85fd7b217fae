/// How long a peer takes: what it announced, and what its client has measured since.
package struct PeerTimes: Hashable, Sendable {
  /// How much a new measurement weighs: one in eight.
  private static let weight = 8

  /// From a question to its answer, the node's work aside; nil before it was measured.
  package private(set) var roundTrip: Duration?
  /// One token in one block; nil before anyone measured it.
  package private(set) var blockStep: Duration?

  /// Nothing is known, or what is given.
  package init(roundTrip: Duration? = nil, blockStep: Duration? = nil) {
    self.roundTrip = roundTrip
    self.blockStep = blockStep
  }

  /// What a token would take through so many blocks, there and back.
  ///
  /// What is not known counts as nothing: a peer has to be tried before it can be judged.
  package func cost(blocks: Int) -> Duration {
    (roundTrip ?? .zero) + (blockStep ?? .zero) * blocks
  }

  /// Takes in a peer's word, which weighs less than a measurement: it stands until there is one.
  mutating func hear(roundTrip: Duration?, blockStep: Duration?) {
    self.roundTrip = self.roundTrip ?? roundTrip
    self.blockStep = self.blockStep ?? blockStep
  }

  /// Takes in a step of one token.
  ///
  /// - Parameters:
  ///   - elapsed: From the client's request to the answer.
  ///   - answer: What of it was the node's work.
  ///   - blocks: How many blocks the token went through.
  mutating func learn(elapsed: Duration, answer: Duration, blocks: Int) {
    // A node that claims more than all of the time is believed for all of it.
    let work = min(answer, elapsed)
    roundTrip = Self.blend(roundTrip, elapsed - work)
    blockStep = Self.blend(blockStep, work / max(1, blocks))
  }

  private static func blend(_ old: Duration?, _ new: Duration) -> Duration {
    old.map { $0 + (new - $0) / weight } ?? new
  }
}
