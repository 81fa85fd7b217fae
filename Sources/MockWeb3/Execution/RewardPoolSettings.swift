import EthereumPrimitives
import PlumiseWire

/// What RewardPool's owner sets; nil where it is as the chain's rules say.
struct RewardPoolSettings {
  var owner: Address?
  var oracle: Address?
  var registry: Address?
  /// Whether reports are taken of agents that AgentRegistry does not have.
  var bypassesRegistry = false
  /// The weights of the score, in the order of ``RewardPoolVersion/weights``.
  var weights: [Word]?
}

extension RewardPoolVersion {
  /// The weights that the score begins with: of tasks, uptime and response in version 1, of tokens,
  /// tasks, uptime and latency in version 2.
  var weights: [Word] {
    switch self {
    case .one: [50, 30, 20]
    case .two: [40, 25, 20, 15]
    }
  }

  /// An agent's part of an epoch's reward; the words wrap, as no sums of reports that are taken do.
  func score(of record: ContributionRecord, weights: [Word]) -> Word {
    let values =
      switch self {
      case .one: [record.taskCount, record.uptimeSeconds, record.responseScore]
      case .two:
        [
          record.processedTokens, record.taskCount, record.uptimeSeconds,
          record.averageLatencyInverse,
        ]
      }
    return zip(values, weights).reduce(.zero) { $0 &+ $1.0 &* $1.1 }
  }
}

extension Execution {
  /// RewardPool's oracle.
  var poolOracle: Address { state.pool.settings.oracle ?? rules.rewardOracle }

  /// RewardPool's owner, who is the registry's as well.
  var poolOwner: Address { state.pool.settings.owner ?? rules.registryOwner }

  /// The weights of RewardPool's score.
  var poolWeights: [Word] { state.pool.settings.weights ?? rules.rewardPoolVersion.weights }
}

/// The functions of RewardPool that its owner calls, and those that read what they set.
extension RewardPoolContract {
  static let settings: [String: ContractFunction] = [
    "owner()": slot { _, _ in .owner },
    "oracle()": slot { _, _ in .oracle },
    "agentRegistry()": slot { _, _ in .registry },
    "emergencyBypassRegistry()": slot { _, _ in .bypass },
    "setOracle(address)": { message, arguments, execution throws(Revert) in
      let oracle = try arguments.address(0)
      try requireOwner(message, execution)
      guard oracle != .zero else { throw Revert("Invalid oracle") }
      execution.read(.oracle)
      execution.update(.oracle, oracle.word)
      let indexed = [execution.poolOracle.word, oracle.word]
      execution.state.pool.settings.oracle = oracle
      execution.emitPaid(
        .event("OracleUpdated(address,address)", from: message.recipient, indexed: indexed))
      return []
    },
    "setAgentRegistry(address)": { message, arguments, execution throws(Revert) in
      let registry = try arguments.address(0)
      try requireOwner(message, execution)
      guard registry != .zero else { throw Revert("Invalid registry") }
      execution.update(.registry, registry.word)
      execution.state.pool.settings.registry = registry
      return []
    },
    "setEmergencyBypassRegistry(bool)": { message, arguments, execution throws(Revert) in
      let isEnabled = try arguments.bool(0)
      try requireOwner(message, execution)
      execution.update(.bypass, isEnabled ? 1 : 0)
      execution.state.pool.settings.bypassesRegistry = isEnabled
      execution.emitPaid(
        .event(
          "EmergencyBypassRegistryChanged(bool)", from: message.recipient,
          data: ABIResult.bool(isEnabled)))
      return []
    },
    "transferOwnership(address)": { message, arguments, execution throws(Revert) in
      let owner = try arguments.address(0)
      try requireOwner(message, execution)
      guard owner != .zero else {
        throw Revert(output: ABI.selector("OwnableInvalidOwner(address)") + ABI.word(owner))
      }
      return transferOwnership(to: owner, message, execution)
    },
    "renounceOwnership()": { message, _, execution throws(Revert) in
      try requireOwner(message, execution)
      return transferOwnership(to: .zero, message, execution)
    },
    "setRewardFormula(uint256,uint256,uint256)": { message, arguments, execution throws(Revert) in
      try setFormula(of: .one, message, arguments, execution)
    },
    "setRewardFormula(uint256,uint256,uint256,uint256)": {
      message, arguments, execution throws(Revert) in
      try setFormula(of: .two, message, arguments, execution)
    },
  ]

  /// The numbers that do not change.
  static let constants: [String: ContractFunction] = [
    "MAX_EPOCH_AGENTS()": 200, "MAX_TASK_COUNT()": 10_000, "MAX_UPTIME_SECONDS()": 604_800,
    "MAX_RESPONSE_SCORE()": 1_000_000,
  ].mapValues(constant)

  /// The bounds that version 2 has in addition.
  static let addedConstants: [String: ContractFunction] = [
    "MAX_PROCESSED_TOKENS()": 100_000_000, "MAX_LATENCY_INV()": 10_000,
  ].mapValues(constant)

  /// A getter that the compiler makes for a public variable.
  static func slot(
    _ slot: @escaping @Sendable (ABIArguments, Execution) throws(Revert) -> RewardPoolSlot
  ) -> ContractFunction {
    { _, arguments, execution throws(Revert) in
      let slot = try slot(arguments, execution)
      execution.read(slot)
      return ABI.word(slot.value(in: execution.state.pool, rules: execution.rules))
    }
  }

  /// The getters of the weights, by the name of each.
  static func weights(_ names: String...) -> [String: ContractFunction] {
    Dictionary(
      uniqueKeysWithValues: names.enumerated().map { position, name in
        ("\(name)()", slot { _, _ in .weight(position) })
      })
  }

  private static func constant(_ value: Word) -> ContractFunction {
    { _, _, _ in ABI.word(value) }
  }

  private static func requireOwner(_ message: Message, _ execution: Execution) throws(Revert) {
    execution.read(.owner)
    guard message.caller == execution.poolOwner else {
      throw Revert(
        output: ABI.selector("OwnableUnauthorizedAccount(address)") + ABI.word(message.caller))
    }
  }

  private static func transferOwnership(
    to owner: Address, _ message: Message, _ execution: Execution
  ) -> [UInt8] {
    let indexed = [execution.poolOwner.word, owner.word]
    execution.read(.owner)
    execution.update(.owner, owner.word)
    execution.state.pool.settings.owner = owner
    execution.emitPaid(
      .event("OwnershipTransferred(address,address)", from: message.recipient, indexed: indexed))
    return []
  }

  private static func setFormula(
    of version: RewardPoolVersion, _ message: Message, _ arguments: ABIArguments,
    _ execution: Execution
  ) throws(Revert) -> [UInt8] {
    // The other version has no such function.
    guard version == execution.rules.rewardPoolVersion else { throw .withoutReason }
    var weights: [Word] = []
    for position in version.weights.indices { weights.append(try arguments.word(position)) }
    try requireOwner(message, execution)
    var sum = Word.zero
    for weight in weights {
      let (next, overflow) = sum.addingReportingOverflow(weight)
      guard !overflow else { throw .withoutReason }
      sum = next
    }
    guard sum == 100 else { throw Revert("Weights must sum to 100") }
    for (position, weight) in weights.enumerated() { execution.write(.weight(position), weight) }
    execution.state.pool.settings.weights = weights
    let types = weights.map { _ in "uint256" }.joined(separator: ",")
    execution.emitPaid(
      .event(
        "FormulaUpdated(\(types))", from: message.recipient, data: ABIResult.words(weights)))
    return []
  }
}
