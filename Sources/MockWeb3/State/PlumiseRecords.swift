import EVM
import EthereumPrimitives

/// What the native contracts keep, beside the balances of their accounts.
struct PlumiseRecords {
  /// The agents that AgentRegistry and RewardPool know.
  var registry = AgentLedger()
  /// AgentRegistry's owner after it was handed on or given up; nil while it is the one of the rules.
  var registryOwner: Address?
  /// The agents that the precompiles know, where the two are separate (all profiles but
  /// `default`).
  var precompileAgents: AgentLedger?
  /// The reward pool's records; its coins are the balance of its account.
  var pool = RewardPoolState()

  /// The precompiles' view of the agents: the one set of records, or their own.
  var agents: AgentLedger {
    get { precompileAgents ?? registry }
    set {
      if precompileAgents == nil { registry = newValue } else { precompileAgents = newValue }
    }
  }
}

/// The records of the native contracts during one transaction, which are undone with the call that
/// changed them.
final class RecordJournal: NativeState {
  /// The records as the transaction has changed them.
  private(set) var records: PlumiseRecords
  /// The records before each change; copies share their structure.
  private var earlier: [PlumiseRecords] = []

  init(_ records: PlumiseRecords) { self.records = records }

  /// The records before the transaction.
  var original: PlumiseRecords { earlier.first ?? records }

  func snapshot() -> Int { earlier.count }

  func revert(to snapshot: Int) {
    guard snapshot < earlier.count else { return }
    records = earlier[snapshot]
    earlier.removeSubrange(snapshot...)
  }

  private func change(_ edit: (inout PlumiseRecords) -> Void) {
    earlier.append(records)
    edit(&records)
  }

  var registry: AgentLedger {
    get { records.registry }
    set { change { $0.registry = newValue } }
  }

  var agents: AgentLedger {
    get { records.agents }
    set { change { $0.agents = newValue } }
  }

  var registryOwner: Address? {
    get { records.registryOwner }
    set { change { $0.registryOwner = newValue } }
  }

  var pool: RewardPoolState {
    get { records.pool }
    set { change { $0.pool = newValue } }
  }
}
