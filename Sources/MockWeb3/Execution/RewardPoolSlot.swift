import EVM
import EthereumPrimitives

/// A slot of RewardPool's storage, where the contract's source puts it (plumise-contracts,
/// `src/RewardPool.sol` at d13aa58 and 6aabb4d, `docs/GENESIS_STORAGE_LAYOUT.md`).
///
/// The native contract keeps typed records. Its slots say what a function pays for storage, and what
/// `eth_getStorageAt` answers.
enum RewardPoolSlot: Hashable {
  case owner, registry, oracle
  /// A weight of the score, by its position in ``RewardPoolVersion/weights``.
  case weight(Int)
  case trackedBalance
  /// A word of an agent's sums, by its position in ``ContributionRecord/words``.
  case contribution(Address, Int)
  case pending(Address)
  case epochReward(UInt64)
  /// A word of an agent's sums in an epoch.
  case epochContribution(UInt64, Address, Int)
  case epochAgentCount(UInt64)
  /// An epoch's agent, by its position.
  case epochAgent(UInt64, Int)
  case isEpochAgent(UInt64, Address)
  case isDistributed(UInt64)
  case currentEpoch, deployBlock, bypass
  /// OpenZeppelin's ReentrancyGuard, which takes no slot of the contract's own.
  case reentrancyGuard

  /// The slot's number.
  func number(in version: RewardPoolVersion) -> Word {
    // After owner, registry, oracle and the weights.
    let first = Word(UInt64(3 + version.weights.count))
    func map(_ offset: Word, _ keys: Word...) -> Word {
      keys.reduce(first &+ offset) { StorageSlot.value(of: $1, in: $0) }
    }
    func position(_ index: Int) -> Word { Word(UInt64(index)) }
    switch self {
    case .owner: return 0
    case .registry: return 1
    case .oracle: return 2
    case .weight(let index): return 3 &+ position(index)
    case .trackedBalance: return first
    case .contribution(let agent, let index): return map(1, agent.word) &+ position(index)
    case .pending(let agent): return map(2, agent.word)
    case .epochReward(let epoch): return map(3, Word(epoch))
    case .epochContribution(let epoch, let agent, let index):
      return map(4, Word(epoch), agent.word) &+ position(index)
    case .epochAgentCount(let epoch): return map(5, Word(epoch))
    case .epochAgent(let epoch, let index):
      return StorageSlot.elements(of: map(5, Word(epoch))) &+ position(index)
    case .isEpochAgent(let epoch, let agent): return map(6, Word(epoch), agent.word)
    case .isDistributed(let epoch): return map(7, Word(epoch))
    case .currentEpoch: return first &+ 8
    case .deployBlock: return first &+ 9
    case .bypass: return first &+ 10
    case .reentrancyGuard: return Self.guardNumber
    }
  }

  /// The value of the slot.
  func value(in pool: RewardPoolState, rules: ChainRules) -> Word {
    let settings = pool.settings
    switch self {
    case .owner: return (settings.owner ?? rules.registryOwner).word
    case .registry: return (settings.registry ?? rules.registryAddress).word
    case .oracle: return (settings.oracle ?? rules.rewardOracle).word
    case .weight(let index):
      return (settings.weights ?? rules.rewardPoolVersion.weights)[index]
    case .trackedBalance: return pool.trackedBalance
    case .contribution(let agent, let index):
      return pool.contributions[agent]?.words[index] ?? .zero
    case .pending(let agent): return pool.pending[agent] ?? .zero
    case .epochReward(let epoch): return pool[epoch: epoch].reward
    case .epochContribution(let epoch, let agent, let index):
      return pool[epoch: epoch].contributions[agent]?.words[index] ?? .zero
    case .epochAgentCount(let epoch): return Word(UInt64(pool[epoch: epoch].agents.count))
    case .epochAgent(let epoch, let index):
      let agents = pool[epoch: epoch].agents
      return agents.indices.contains(index) ? agents[index].word : .zero
    case .isEpochAgent(let epoch, let agent):
      return pool[epoch: epoch].contributions[agent] == nil ? 0 : 1
    case .isDistributed(let epoch): return pool[epoch: epoch].isDistributed ? 1 : 0
    case .currentEpoch, .deployBlock: return 0
    case .bypass: return settings.bypassesRegistry ? 1 : 0
    case .reentrancyGuard: return pool.hasPaid ? Self.guardIsOpen : 0
    }
  }

  /// The guard's values; 0 before the first call, since no constructor ran.
  static let guardIsOpen: Word = 1
  static let guardIsTaken: Word = 2

  /// Where OpenZeppelin 5.5 keeps the guard (ERC-7201).
  private static let guardNumber: Word = {
    let name = Keccak256.hash("openzeppelin.storage.ReentrancyGuard").word
    return Keccak256.hash((name &- 1).bigEndianBytes).word & ~0xff
  }()

  /// The value of a slot by its number; 0 for a slot that nothing is kept in.
  static func value(ofSlot number: Word, in pool: RewardPoolState, rules: ChainRules) -> Word {
    let version = rules.rewardPoolVersion
    let slot = slots(of: pool, version).first { $0.number(in: version) == number }
    return slot?.value(in: pool, rules: rules) ?? .zero
  }

  /// All slots that can hold something other than 0.
  private static func slots(
    of pool: RewardPoolState, _ version: RewardPoolVersion
  ) -> [RewardPoolSlot] {
    let fixed: [RewardPoolSlot] =
      [.owner, .registry, .oracle, .trackedBalance, .bypass, .reentrancyGuard]
      + version.weights.indices.map { .weight($0) }
    let words = 0..<version.wordCount
    // An agent's sums are those of its epochs.
    return fixed
      + pool.knownEpochs.flatMap { epoch -> [RewardPoolSlot] in
        let agents = pool[epoch: epoch].agents
        return [.epochReward(epoch), .isDistributed(epoch), .epochAgentCount(epoch)]
          + agents.indices.map { .epochAgent(epoch, $0) }
          + agents.flatMap { agent -> [RewardPoolSlot] in
            [.pending(agent), .isEpochAgent(epoch, agent)]
              + words.flatMap { [.contribution(agent, $0), .epochContribution(epoch, agent, $0)] }
          }
      }
  }
}

extension RewardPoolVersion {
  /// How many words a contribution's record has.
  var wordCount: Int {
    switch self {
    case .one: 4
    case .two: 6
    }
  }
}

/// Where Solidity puts what does not fit into one slot ("Layout of State Variables in Storage").
enum StorageSlot {
  /// The slot of a mapping's value.
  static func value(of key: Word, in mapping: Word) -> Word {
    Keccak256.hash(key.bigEndianBytes + mapping.bigEndianBytes).word
  }

  /// The slot of an array's first element, or of the first bytes of a long text.
  static func elements(of slot: Word) -> Word { Keccak256.hash(slot.bigEndianBytes).word }
}
