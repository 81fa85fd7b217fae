import EthereumPrimitives
import PlumiseWire

/// RewardPool behind its ABI (Wire.md, Contracts): what a call is, and where it goes.
enum RewardPoolContract {
  enum Function: String, ContractFunctions {
    case syncRewards = "syncRewards()"
    case reportTasks = "reportContribution(address,uint256,uint256,uint256)"
    case reportTokens = "reportContribution(address,uint256,uint256,uint256,uint256,uint256)"
    case distributeRewards = "distributeRewards(uint256)"
    case claimReward = "claimReward()"
    case claimRewardFor = "claimRewardFor(address)"
    case getPendingReward = "getPendingReward(address)"
    case pendingRewards = "pendingRewards(address)"
    case getContribution = "getContribution(address)"
    case contributions = "contributions(address)"
    case getEpochContribution = "getEpochContribution(uint256,address)"
    case getEpochAgents = "getEpochAgents(uint256)"
    case epochRewards = "epochRewards(uint256)"
    case epochDistributed = "epochDistributed(uint256)"
    case getCurrentEpoch = "getCurrentEpoch()"
    case lastTrackedBalance = "lastTrackedBalance()"
    case blocksPerEpoch = "BLOCKS_PER_EPOCH()"
    case oracle = "oracle()"
    case agentRegistry = "agentRegistry()"

    static let bySelector = makeTable()
  }

  static func run(
    _ message: Message, in execution: inout Execution
  ) throws(Revert) -> [UInt8] {
    // The contract's receive(): coins without a call are reward.
    if message.input.isEmpty { return receive(message, in: &execution) }
    guard message.value.isZero else { throw .silent }
    let (function, arguments) = try Function.parse(message.input)
    switch function {
    case .syncRewards: return sync(message.recipient, in: &execution)
    case .reportTasks, .reportTokens:
      return try RewardPoolReport(arguments, withTokens: function == .reportTokens)
        .run(message, in: &execution)
    case .distributeRewards:
      return try RewardDistribution.run(message.recipient, try arguments.word(0), in: &execution)
    case .claimReward, .claimRewardFor:
      return try claim(function, arguments, message, in: &execution)
    default:
      return try read(function, arguments, execution)
    }
  }

  /// The epoch of a block; the pool is there from the first block on.
  static func epoch(_ execution: Execution) -> UInt64 {
    execution.rules.epoch(at: execution.block.number)
  }

  private static func claim(
    _ function: Function, _ arguments: ABIArguments, _ message: Message,
    in execution: inout Execution
  ) throws(Revert) -> [UInt8] {
    guard function == .claimRewardFor else {
      return try RewardClaim.run(agent: message.caller, pool: message.recipient, in: &execution)
    }
    let agent = try arguments.address(0)
    guard message.caller == .precompile(0x23) else { throw Revert("Only precompile 0x23") }
    return try RewardClaim.run(agent: agent, pool: message.recipient, in: &execution)
  }

  private static func receive(_ message: Message, in execution: inout Execution) -> [UInt8] {
    let epoch = epoch(execution)
    execution.state.pool[epoch: epoch].add(message.value)
    execution.state.pool.trackedBalance = execution.state[message.recipient].balance
    execution.emit(
      .event(
        .rewardReceived, from: message.recipient,
        data: ABIResult.words([message.value, Word(epoch)])))
    return []
  }

  /// Block rewards reach the balance without a call; this counts them in.
  private static func sync(_ pool: Address, in execution: inout Execution) -> [UInt8] {
    let balance = execution.state[pool].balance
    let tracked = execution.state.pool.trackedBalance
    guard balance > tracked else { return [] }
    let epoch = epoch(execution)
    execution.state.pool[epoch: epoch].add(balance - tracked)
    execution.state.pool.trackedBalance = balance
    execution.emit(
      .event(
        .rewardReceived, from: pool, data: ABIResult.words([balance - tracked, Word(epoch)])))
    return []
  }

  private static func read(
    _ function: Function, _ arguments: ABIArguments, _ execution: Execution
  ) throws(Revert) -> [UInt8] {
    let pool = execution.state.pool
    switch function {
    case .getPendingReward, .pendingRewards:
      return ABIResult.words([pool.pending[try arguments.address(0)] ?? .zero])
    case .getContribution, .contributions:
      let contribution = pool.contributions[try arguments.address(0)] ?? ContributionRecord()
      return ABIResult.words(contribution.words)
    case .getEpochContribution:
      let epoch = try epoch(arguments, pool)
      let contribution = epoch.contributions[try arguments.address(1)] ?? ContributionRecord()
      return ABIResult.words(contribution.words)
    case .getEpochAgents: return ABIResult.addresses(try epoch(arguments, pool).agents)
    case .epochRewards: return ABIResult.words([try epoch(arguments, pool).reward])
    case .epochDistributed: return ABIResult.bool(try epoch(arguments, pool).isDistributed)
    case .getCurrentEpoch: return ABIResult.words([Word(epoch(execution))])
    case .lastTrackedBalance: return ABIResult.words([pool.trackedBalance])
    case .blocksPerEpoch: return ABIResult.words([Word(execution.rules.blocksPerEpoch)])
    case .oracle: return ABI.word(execution.rules.rewardOracle)
    case .agentRegistry: return ABI.word(execution.rules.registryAddress)
    case .syncRewards, .reportTasks, .reportTokens, .distributeRewards, .claimReward,
      .claimRewardFor:
      preconditionFailure("\(function.rawValue) is not a view")
    }
  }

  /// The epoch that the first argument names; one beyond 64 bits is as empty as all to come.
  private static func epoch(
    _ arguments: ABIArguments, _ pool: RewardPoolState
  ) throws(Revert) -> RewardPoolState.Epoch {
    guard let number = try arguments.word(0).exactUInt64() else { return .init() }
    return pool[epoch: number]
  }
}
