import EVM
import EthereumPrimitives
import PlumiseWire

/// The gas of RewardPool's functions, whose bytecode is not public: accesses to storage, events, and
/// calls of other accounts by London's rules (EIP-2200, EIP-2929, EIP-3529), in the order in which the
/// contract's source makes them, and an estimate of the instructions in between.
///
/// The estimate is what AgentRegistry's bytecode, of the same compiler, needs beyond its slots. The
/// three calls of RewardPool that the main network's deployment recorded come out as recorded
/// (plumise-contracts, `broadcast/DeployPostGenesis.s.sol` and `DeployBootstrap.s.sol`).
enum RewardPoolGas {
  /// Instructions of a call: dispatch, reading the arguments, the return.
  private static let perCall: UInt64 = 700
  /// Instructions around an access to storage: where it is, checked arithmetic.
  static let perAccess: UInt64 = 60
  /// Instructions around a call of AgentRegistry.
  static let perRegistryCall: UInt64 = 500

  /// The instructions of recorded calls, without those around their accesses: 46 443 gas for a
  /// registry in an empty slot, 25 378 for switching the bypass off, 28 192 for the same oracle.
  private static let recorded: [[UInt8]: UInt64] = [
    ABI.selector("setAgentRegistry(address)"): 631,
    ABI.selector("setEmergencyBypassRegistry(bool)"): 700,
    ABI.selector("setOracle(address)"): 620,
  ]

  /// The instructions of the function that a call names, without those around its accesses.
  static func instructions(of message: Message) -> UInt64 {
    recorded[Array(message.input.prefix(4))] ?? perCall
  }

  /// What a view of AgentRegistry uses for more than seven or one cold slots, as measured on its
  /// bytecode with a text of up to 31 bytes.
  static let isRegistered: UInt64 = 854
  /// - Parameter isRegistered: whether the agent is; else the contract stops earlier.
  static func isActive(isRegistered: Bool) -> UInt64 { isRegistered ? 2_115 : 1_663 }
}

extension Execution {
  /// Pays for reading a slot of RewardPool.
  func read(_ slot: RewardPoolSlot, times: UInt64 = 1) {
    let number = slot.number(in: rules.rewardPoolVersion)
    for _ in 0..<times {
      add(host.gasOfRead(at: rules.poolAddress, slot: number) + RewardPoolGas.perAccess)
    }
  }

  /// Pays for writing a slot of RewardPool, whose record has not changed yet.
  /// - Parameter current: the value before, where no record says it.
  func write(_ slot: RewardPoolSlot, _ value: Word, over current: Word? = nil) {
    let price = host.gasOfWrite(
      at: rules.poolAddress, slot: slot.number(in: rules.rewardPoolVersion),
      original: slot.value(in: state.original.pool, rules: rules),
      current: current ?? slot.value(in: state.pool, rules: rules), value: value)
    add(price.gas + RewardPoolGas.perAccess, refund: price.refund)
  }

  /// Pays for writing a slot that is read for it: to add to it, or to keep the rest of its bytes.
  func update(_ slot: RewardPoolSlot, _ value: Word) {
    read(slot)
    write(slot, value)
  }

  /// Emits an event of RewardPool, and pays for it.
  func emitPaid(_ log: LogEntry) {
    add(NativeHost.gasOfLog(topicCount: log.topics.count, byteCount: log.data.count))
    emit(log)
  }

  /// Whether AgentRegistry has an agent, as RewardPool asks it.
  func askIsRegistered(_ agent: Address) throws(Revert) -> Bool {
    try callRegistry()
    readRegistry(agent, slots: 1)
    add(RewardPoolGas.isRegistered)
    return isRegistered(agent)
  }

  /// Whether AgentRegistry counts an agent as active, as RewardPool asks it.
  func askIsActive(_ agent: Address) throws(Revert) -> Bool {
    try callRegistry()
    readRegistry(agent, slots: AgentRegistrySlots.perAgent)
    add(RewardPoolGas.isActive(isRegistered: isRegistered(agent)))
    return isActive(agent)
  }

  /// Pays for a payment to an account that has coins already, or code.
  func payForTransfer(to recipient: Address) {
    add(host.gasOfAccess(to: recipient) + NativeHost.gasOfValue)
  }

  /// Pays for a call of the registry, and fails where that is another one than the chain's: a call of
  /// an address without the function reverts.
  private func callRegistry() throws(Revert) {
    read(.registry)
    let registry = state.pool.settings.registry ?? rules.registryAddress
    add(host.gasOfAccess(to: registry) + RewardPoolGas.perRegistryCall)
    guard registry == rules.registryAddress else { throw .withoutReason }
  }

  private func readRegistry(_ agent: Address, slots: Int) {
    let first = AgentRegistrySlots.first(of: agent)
    for index in 0..<slots {
      add(host.gasOfRead(at: rules.registryAddress, slot: first &+ Word(UInt64(index))))
    }
  }
}
