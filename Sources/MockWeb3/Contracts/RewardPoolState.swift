import EthereumPrimitives

/// The reward pool's records.
struct RewardPoolState {
  struct Epoch {
    /// Wei to distribute.
    var reward: Word = .zero
    /// Who contributed, in the order of the first reports.
    var agents: [Address] = []
    var contributions = PersistentMap<ContributionRecord>()
    var isDistributed = false

    mutating func add(_ amount: Word) { reward = reward.adding(amount, upTo: .max) }
  }

  /// The pool's balance when it was last looked at; what came since is new reward.
  var trackedBalance: Word = .zero
  var contributions = PersistentMap<ContributionRecord>()
  var pending = PersistentMap<Word>()
  private var epochs: [UInt64: Epoch] = [:]

  subscript(epoch epoch: UInt64) -> Epoch {
    get { epochs[epoch] ?? Epoch() }
    set { epochs[epoch] = newValue }
  }
}
