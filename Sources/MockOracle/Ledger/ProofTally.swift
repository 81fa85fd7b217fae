/// How many proofs there were, and of how many tokens: what remains of proofs that are let go.
struct ProofTally: Sendable, Hashable {
  private(set) var count = 0
  /// A sum of 64-bit numbers, which 128 bits always hold.
  private(set) var tokens: Int128 = 0

  /// Nothing yet.
  init() {}

  /// A tally that was kept.
  init(count: Int, tokens: Int128) {
    self.count = count
    self.tokens = tokens
  }

  /// The tally of some proofs.
  init(_ proofs: [StoredProof]) {
    count = proofs.count
    tokens = proofs.reduce(0) { $0 + Int128($1.tokenCount) }
  }

  static func += (sum: inout ProofTally, other: ProofTally) {
    sum.count += other.count
    sum.tokens += other.tokens
  }
}
