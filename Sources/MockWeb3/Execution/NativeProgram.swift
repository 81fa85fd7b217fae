import EthereumPrimitives
import PlumiseWire

/// The programs that the chain runs itself; no other bytecode is run.
enum NativeProgram: CaseIterable {
  case verifyInference, agentRegister, agentHeartbeat, claimReward
  case agentRegistry, rewardPool

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

  func run(_ message: Message, in execution: inout Execution) throws(Revert) -> [UInt8] {
    switch self {
    case .verifyInference: try VerifyInferencePrecompile.run(message, in: &execution)
    case .agentRegister: try AgentRegisterPrecompile.run(message, in: &execution)
    case .agentHeartbeat: try AgentHeartbeatPrecompile.run(message, in: &execution)
    case .claimReward: try ClaimRewardPrecompile.run(message, in: &execution)
    case .agentRegistry: try AgentRegistryContract.run(message, in: &execution)
    case .rewardPool: try RewardPoolContract.run(message, in: &execution)
    }
  }
}
