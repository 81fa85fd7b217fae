public import EthereumPrimitives

/// A call of the contract RewardPool.
public enum RewardPoolCall: ContractCall {
  /// Counts the wei that the pool has received since the last call as rewards.
  case syncRewards
  /// Reports an agent's contribution in the current epoch; only the oracle may.
  case reportContribution(agent: Address, Contribution)
  /// Shares an epoch's reward among the agents.
  case distributeRewards(epoch: Word)
  /// Pays the sender's reward.
  case claimReward
  /// Pays an agent's reward; only the precompiled contract 0x23 may.
  case claimRewardFor(Address)
  /// Reads an agent's reward that is not paid yet.
  case getPendingReward(Address)
  /// Reads an agent's contribution in the current epoch.
  case getContribution(Address)
  /// Reads the number of the current epoch.
  case getCurrentEpoch
  /// Reads an agent's reward from the contract's table.
  case pendingRewards(Address)

  /// The function's name and the types of its arguments.
  public var signature: String {
    switch self {
    case .syncRewards: "syncRewards()"
    case .reportContribution(_, let contribution):
      contribution.throughput == nil ? Self.shortReport : Self.longReport
    case .distributeRewards: "distributeRewards(uint256)"
    case .claimReward: "claimReward()"
    case .claimRewardFor: "claimRewardFor(address)"
    case .getPendingReward: "getPendingReward(address)"
    case .getContribution: "getContribution(address)"
    case .getCurrentEpoch: "getCurrentEpoch()"
    case .pendingRewards: "pendingRewards(address)"
    }
  }

  /// The arguments in order.
  public var arguments: [ABIValue] {
    switch self {
    case .reportContribution(let agent, let contribution):
      [.address(agent)] + contribution.words.map { .uint($0) }
    case .distributeRewards(let epoch): [.uint(epoch)]
    case .claimRewardFor(let agent), .getPendingReward(let agent), .getContribution(let agent),
      .pendingRewards(let agent):
      [.address(agent)]
    case .syncRewards, .claimReward, .getCurrentEpoch: []
    }
  }

  /// Every function of RewardPool that is known here.
  public static let functions: [ContractFunction<RewardPoolCall>] = [
    .init("syncRewards()") { _ in .syncRewards },
    .init(shortReport, [.address, .uint, .uint, .uint], report),
    .init(longReport, [.address, .uint, .uint, .uint, .uint, .uint], report),
    .init("distributeRewards(uint256)", [.uint]) {
      $0.uint(0).map { .distributeRewards(epoch: $0) }
    },
    .init("claimReward()") { _ in .claimReward },
    .init("claimRewardFor(address)", [.address]) { $0.address(0).map { .claimRewardFor($0) } },
    .init("getPendingReward(address)", [.address]) { $0.address(0).map { .getPendingReward($0) } },
    .init("getContribution(address)", [.address]) { $0.address(0).map { .getContribution($0) } },
    .init("getCurrentEpoch()") { _ in .getCurrentEpoch },
    .init("pendingRewards(address)", [.address]) { $0.address(0).map { .pendingRewards($0) } },
  ]

  private static let shortReport = "reportContribution(address,uint256,uint256,uint256)"
  private static let longReport =
    "reportContribution(address,uint256,uint256,uint256,uint256,uint256)"

  @Sendable private static func report(_ values: [ABIValue]) -> RewardPoolCall? {
    guard let agent = values.address(0) else { return nil }
    let words = values.indices.dropFirst().compactMap { values.uint($0) }
    return Contribution(words: words).map { .reportContribution(agent: agent, $0) }
  }
}

/// An agent's work in an epoch, as the oracle reports it to the pool.
public struct Contribution: Hashable, Sendable {
  /// The two numbers that the newer of the two calls adds.
  public struct Throughput: Hashable, Sendable {
    /// Tokens processed.
    public let processedTokens: Word
    /// 10 000 − the average latency in milliseconds, at least 0.
    public let averageLatencyInverse: Word

    /// Tokens and the inverse of the latency.
    public init(processedTokens: Word, averageLatencyInverse: Word) {
      self.processedTokens = processedTokens
      self.averageLatencyInverse = averageLatencyInverse
    }
  }

  /// Requests served.
  public let taskCount: Word
  /// Seconds of service.
  public let uptimeSeconds: Word
  /// How fast the agent answered, the more the better.
  public let responseScore: Word
  /// Tokens and latency; nil in the older call, which has three numbers.
  public let throughput: Throughput?

  /// A contribution of its parts.
  public init(
    taskCount: Word, uptimeSeconds: Word, responseScore: Word, throughput: Throughput? = nil
  ) {
    self.taskCount = taskCount
    self.uptimeSeconds = uptimeSeconds
    self.responseScore = responseScore
    self.throughput = throughput
  }

  init?(words: [Word]) {
    guard words.count == 3 || words.count == 5 else { return nil }
    self.init(
      taskCount: words[0], uptimeSeconds: words[1], responseScore: words[2],
      throughput: words.count == 3
        ? nil : Throughput(processedTokens: words[3], averageLatencyInverse: words[4]))
  }

  var words: [Word] {
    let three = [taskCount, uptimeSeconds, responseScore]
    guard let throughput else { return three }
    return three + [throughput.processedTokens, throughput.averageLatencyInverse]
  }
}
