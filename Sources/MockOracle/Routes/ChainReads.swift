import EthereumClient
import EthereumPrimitives
import MockServing
import PlumiseWire
import Synchronization
import TextKeys

/// What the oracle knows of the chain, with the answers that it keeps for a while.
final class ChainRecords: Sendable {
  /// An answer with the time at which it was made.
  struct CachedAnswer: Sendable {
    let madeAt: Duration
    let answer: JSON
  }

  /// The answers that are given again.
  struct Cache: Sendable {
    var leaderboard: CachedAnswer?
    var tokenomics: CachedAnswer?
  }

  let tables = Mutex(ChainTables())
  let cache = Mutex(Cache())
}

/// Handlers of the deployed dialect's reads of the chain.
extension MockOracle {
  func readStatistics(_ routed: RoutedRequest) -> JSON {
    DeployedReads.statistics(chainTables { $0.statistics })
  }

  func readAgents(_ routed: RoutedRequest) -> JSON {
    .array(
      agentRows.sorted { ($1.registeredAt, $0.wallet) < ($0.registeredAt, $1.wallet) }
        .map { DeployedReads.agent($0) })
  }

  func readActiveAgents(_ routed: RoutedRequest) -> JSON {
    .array(
      agentRows.filter { $0.status == 1 }
        .sorted { ($1.lastHeartbeat, $0.wallet) < ($0.lastHeartbeat, $1.wallet) }
        .map { DeployedReads.agent($0) })
  }

  func readAgent(_ routed: RoutedRequest) throws(ReadError) -> JSON {
    // What fails to parse is no agent's address.
    guard let address = Address(validated: routed["address"]),
      let row = agentRows.first(where: { $0.wallet == address })
    else { throw .notFound("Agent not found") }
    return DeployedReads.agent(row, contributions: latestContributions(of: address, 50))
  }

  func readEpochs(_ routed: RoutedRequest) -> JSON {
    let epochs = chainTables { $0.epochs.values.sorted { $0.number > $1.number } }
    return .array(epochs.prefix(50).map { DeployedReads.epoch($0) })
  }

  func readEpoch(_ routed: RoutedRequest) throws(ReadError) -> JSON {
    guard let number = RoutedRequest.leadingInteger(of: routed["number"]) else {
      throw .notFound("Invalid epoch number")
    }
    let (epoch, contributions) = chainTables { tables in
      let number = UInt64(exactly: number)
      return (
        number.flatMap { tables.epochs[$0] }, number.map { tables.contributions(to: $0) } ?? []
      )
    }
    guard let epoch else { throw .notFound("Epoch not found") }
    return DeployedReads.epoch(epoch, contributions: contributions)
  }

  func readChallenges(_ routed: RoutedRequest) -> JSON {
    let challenges = chainTables { $0.challenges.values.sorted { $0.id > $1.id } }
    return .array(challenges.prefix(50).map { DeployedReads.challenge($0) })
  }

  /// The newest challenge that is neither solved nor over.
  var openChallenge: JSON? {
    let now = configuration.unixClock.seconds
    let open = chainTables { tables in
      tables.challenges.values.filter { !$0.isSolved && Int128($0.expiresAt) > Int128(now) }
        .max { $0.id < $1.id }
    }
    return open.map { DeployedReads.challenge($0) }
  }

  func readRewards(_ routed: RoutedRequest) async throws(ReadError) -> JSON {
    guard let client = chainClient else { throw .notFound("RewardPool not configured") }
    let address: Address
    // A text that is no address is an error that nothing catches there.
    do throws(ReadError) { address = try routed.address() } catch { throw .failed }
    let pending: Word
    do {
      pending = try await client.readWord(
        of: PlumiseNetwork.Contract.rewardPool, RewardPoolCall.getPendingReward(address).input)
    } catch { throw .failed }
    return DeployedReads.rewards(
      pending: pending, latestContributions(of: address, 50), of: routed["address"])
  }

  func readRewardHistory(_ routed: RoutedRequest) throws(ReadError) -> JSON {
    let text = routed["address"]
    guard text.hasPrefix("0x"), let address = Address(validated: text) else {
      throw .notFound("Invalid address")
    }
    let tables = chainTables { $0 }
    // The database refuses to return fewer rows than none.
    guard routed.rowLimit >= 0 else { throw .failed }
    let contributions = Array(tables.contributions(of: address).prefix(routed.rowLimit))
    return DeployedReads.rewardHistory(contributions, tables, of: text)
  }

  /// The agents by what they earned; an answer is given again for a minute, whatever limit is asked for.
  func readLeaderboard(_ routed: RoutedRequest) -> JSON {
    let now = configuration.unixClock.now()
    if let kept = chainRecords.cache.withLock({ $0.leaderboard }), now - kept.madeAt < .seconds(60)
    {
      return kept.answer
    }
    let earnings = chainTables { $0.earnings }
    let limit = routed.rowLimit
    // JavaScript's slice counts a negative end from the last one.
    let shown = limit < 0 ? earnings.dropLast(-limit) : earnings.prefix(limit)
    let answer = DeployedReads.leaderboard(Array(shown), at: now)
    chainRecords.cache.withLock { $0.leaderboard = .init(madeAt: now, answer: answer) }
    return answer
  }

  func readTokenomics(_ routed: RoutedRequest) async throws(ReadError) -> JSON {
    let now = configuration.unixClock.now()
    if let kept = chainRecords.cache.withLock({ $0.tokenomics }), now - kept.madeAt < .seconds(120)
    {
      return kept.answer
    }
    guard let client = chainClient else { throw .failed }
    do {
      var balances: [Word] = []
      for number in 0..<5 as Range<UInt64> {
        let contract = Address(truncating: Word(0x1000 + number))
        balances.append(try await client.balance(of: contract))
      }
      let answer = DeployedReads.tokenomics(
        block: try await client.blockNumber(), epoch: try await client.currentEpoch(),
        balances: balances, at: now)
      chainRecords.cache.withLock { $0.tokenomics = .init(madeAt: now, answer: answer) }
      return answer
    } catch { throw .failed }
  }

  // MARK: - Rows

  func chainTables<R: Sendable>(_ look: @Sendable (ChainTables) -> R) -> R {
    chainRecords.tables.withLock { look($0) }
  }

  /// The rows of the agents: those that were found on the chain, and the nodes that only the oracle
  /// knows.
  private var agentRows: [ChainTables.Agent] {
    let rows = chainTables { $0.agents }
    let nodes = registry.read { $0.nodes.nodes }
    return rows.values
      + nodes.values.filter { rows[$0.address] == nil }.map { ChainTables.Agent($0) }
  }

  private func latestContributions(of agent: Address, _ count: Int) -> [ChainTables.Contribution] {
    Array(chainTables { $0.contributions(of: agent) }.prefix(count))
  }
}

extension ChainTables.Agent {
  /// The row of a node whose registration the oracle did not see on the chain.
  init(_ node: RegisteredNode) {
    self.init(
      wallet: node.address, metadata: "precompile-registered", registeredAt: node.createdAt,
      lastHeartbeat: node.lastHeartbeat, updatedAt: node.lastHeartbeat, status: 1)
  }
}

extension RoutedRequest {
  /// How many rows the query asks for: 50 where it names none or 0, at most 200.
  fileprivate var rowLimit: Int {
    let number = request.query["limit"].flatMap(Self.leadingInteger) ?? 50
    return Int(clamping: min(number == 0 ? 50 : max(number, -1_000_000), 200))
  }
}

extension EthereumClient {
  /// Calls a function of a contract that returns one word.
  func readWord(of contract: Address, _ input: [UInt8]) async throws -> Word {
    let answer = try await call(to: contract, data: input)
    guard answer.count >= 32 else {
      throw ChainError.malformedAnswer(
        method: "eth_call", reason: "\(contract) returned \(answer.count) bytes, not a word")
    }
    return try Word(bigEndian: answer[..<32])
  }

  /// The reward pool's current epoch.
  func currentEpoch() async throws -> UInt64 {
    let word = try await readWord(
      of: PlumiseNetwork.Contract.rewardPool, RewardPoolCall.getCurrentEpoch.input)
    guard let epoch = word.exactUInt64() else {
      throw ChainError.malformedAnswer(
        method: "eth_call", reason: "the epoch \(word) is beyond 64 bits")
    }
    return epoch
  }
}
