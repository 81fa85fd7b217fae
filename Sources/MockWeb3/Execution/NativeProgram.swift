import EVM
import EthereumPrimitives

/// A call of a native contract in progress: the records and balances it changes, and the events it
/// emits.
struct Execution {
  /// What the native contracts keep.
  let state: RecordJournal
  let host: NativeHost
  let rules: ChainRules
  /// What the call has used.
  let meter = GasMeter()

  var block: BlockContext { host.block }

  /// Says what the call uses in all, as far as it has come, and what comes back of it.
  func use(_ gas: UInt64, refund: Int64 = 0) {
    meter.used = gas
    meter.refund = refund
  }

  /// Says what the call uses in addition.
  func add(_ gas: UInt64, refund: Int64 = 0) {
    meter.used = meter.used.addingSaturating(gas)
    meter.refund += refund
  }

  /// An account's balance in wei.
  func balance(of address: Address) -> Word { host.balance(of: address) }

  /// Moves wei from an account to another.
  /// - Returns: false, and nothing changes, when the sender has less.
  func transfer(_ amount: Word, from sender: Address, to recipient: Address) -> Bool {
    host.transfer(amount, from: sender, to: recipient)
  }

  /// Whether AgentRegistry has an agent.
  func isRegistered(_ agent: Address) -> Bool {
    bytecodeRegistry?.isRegistered(agent) ?? state.registry.isRegistered(agent)
  }

  /// Whether AgentRegistry counts an agent as active at the block's time.
  func isActive(_ agent: Address) -> Bool {
    bytecodeRegistry?.isActive(agent, at: block.timestamp)
      ?? state.registry[agent]?.isActive(at: block.timestamp) ?? false
  }

  /// The registry's storage where it is bytecode.
  private var bytecodeRegistry: AgentRegistryStorage? {
    rules.profile == .mainnet2026 || rules.remoteContracts.contains(rules.registryAddress)
      ? AgentRegistryStorage(host: host, registry: rules.registryAddress) : nil
  }

  func emit(_ log: LogEntry) {
    host.emit(Log(address: log.address, topics: log.topics, data: log.data))
  }
}

/// Counts the gas of a native call.
final class GasMeter {
  fileprivate(set) var used: UInt64 = 0
  fileprivate(set) var refund: Int64 = 0
}

/// One call of a program: by a transaction, by a contract, or by eth_call.
struct Message {
  /// `msg.sender`.
  let caller: Address
  /// The program that is called.
  let recipient: Address
  /// Wei that was transferred with the call.
  let value: Word
  /// The call's input.
  let input: [UInt8]
}

/// Why a program undid everything it did.
package struct Revert: Error, Hashable, Sendable {
  /// The revert data: `Error(string)` in ABI form, or nothing.
  package let output: [UInt8]

  /// A revert without a reason, as Solidity does for malformed input.
  static let withoutReason = Revert(output: [])

  init(output: [UInt8]) { self.output = output }

  /// A revert with a reason, as Solidity's `require` makes it.
  init(_ reason: String) { output = ABI.encodeError(reason) }

  /// The reason, when there is one.
  package var reason: String? { ABI.decodeError(output) }
}

/// The programs that are written in Swift; bytecode can call them like any contract.
enum NativeProgram: CaseIterable {
  case verifyInference, agentRegister, agentHeartbeat, claimReward
  case agentRegistry, rewardPool

  /// The programs of a chain: what is bytecode there is none of them.
  static func programs(of rules: ChainRules) -> [NativeProgram] {
    allCases.filter { program in
      if program == .agentRegistry, rules.profile == .mainnet2026 { return false }
      return !rules.remoteContracts.contains(program.address(rules: rules))
    }
  }

  /// The program at an address, or nil when there is none.
  init?(at address: Address, rules: ChainRules) {
    switch address {
    case rules.registryAddress: self = .agentRegistry
    case rules.poolAddress: self = .rewardPool
    default:
      switch address.word.exactUInt64() {
      case 0x20: self = .verifyInference
      case 0x21: self = .agentRegister
      case 0x22: self = .agentHeartbeat
      case 0x23: self = .claimReward
      default: return nil
      }
    }
  }

  func address(rules: ChainRules) -> Address {
    switch self {
    case .verifyInference: .precompile(0x20)
    case .agentRegister: .precompile(0x21)
    case .agentHeartbeat: .precompile(0x22)
    case .claimReward: .precompile(0x23)
    case .agentRegistry: rules.registryAddress
    case .rewardPool: rules.poolAddress
    }
  }

  /// Whether it is a contract with code, rather than a precompile, which has none.
  var isContract: Bool {
    switch self {
    case .agentRegistry, .rewardPool: true
    case .verifyInference, .agentRegister, .agentHeartbeat, .claimReward: false
    }
  }

  func run(_ message: Message, in execution: Execution) throws(Revert) -> [UInt8] {
    switch self {
    case .verifyInference: try VerifyInferencePrecompile.run(message, in: execution)
    case .agentRegister: try AgentRegisterPrecompile.run(message, in: execution)
    case .agentHeartbeat: try AgentHeartbeatPrecompile.run(message, in: execution)
    case .claimReward: try ClaimRewardPrecompile.run(message, in: execution)
    case .agentRegistry: try AgentRegistryContract.run(message, in: execution)
    case .rewardPool: try RewardPoolContract.run(message, in: execution)
    }
  }
}

/// A native program as the virtual machine calls it.
struct NativeProgramContract: NativeContract {
  let program: NativeProgram
  let rules: ChainRules

  /// A contract whose code a test replaced is native no longer.
  var codeHash: Hash32? { program.isContract ? ContractData.native?.code.hash : nil }

  func run(_ call: NativeCall, in host: NativeHost) -> NativeResult {
    guard let state = host.state as? RecordJournal else {
      return .failed("the state of Plumise's contracts is missing")
    }
    let price = rules.gasCosts[call.contract]
    // A price above what is left is out of gas.
    if let price, price > call.gas { return .reverted([], gas: price) }
    // The records are the program's own, and not those of a contract that borrows its code.
    if program.isContract, call.address != call.contract { return .reverted([], gas: price ?? 0) }
    let message = Message(
      caller: call.caller, recipient: call.contract, value: call.value, input: Array(call.input))
    let execution = Execution(state: state, host: host, rules: rules)
    do throws(Revert) {
      let output = try program.run(message, in: execution)
      if price == nil, isMetered { host.addRefund(execution.meter.refund) }
      return .returned(output, gas: price ?? used(execution))
    } catch {
      return .reverted(error.output, gas: price ?? used(execution))
    }
  }

  /// Whether a call costs what it counted: a precompile's is free, even of what the reward pool does
  /// for it.
  private var isMetered: Bool {
    program.isContract && (program != .rewardPool || rules.metersRewardPool)
  }

  private func used(_ execution: Execution) -> UInt64 { isMetered ? execution.meter.used : 0 }
}

extension WorldState {
  /// The value of a slot as `eth_getStorageAt` shows it: of a native contract what its records hold,
  /// where the contract's source has it.
  ///
  /// The records are outside of the tries, so that no root and no proof covers them.
  func visibleStorage(at address: Address, slot: Word, rules: ChainRules) -> Word {
    guard isNative(address, rules: rules) else { return storage(at: address, slot: slot) }
    switch NativeProgram(at: address, rules: rules) {
    case .rewardPool:
      return RewardPoolSlot.value(ofSlot: slot, in: records.pool, rules: rules)
    case .agentRegistry:
      return AgentRegistrySlots.value(
        ofSlot: slot, in: records.registry, owner: records.owner(of: rules))
    default: return .zero
    }
  }

  /// Whether an account is a native contract, which has records in the place of storage.
  func isNative(_ address: Address, rules: ChainRules) -> Bool {
    self[address].contract == ContractData.native
      && NativeProgram.programs(of: rules).contains { $0.address(rules: rules) == address }
  }
}
