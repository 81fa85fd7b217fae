import EthereumClient
import EthereumPrimitives
import Logging
import PlumiseWire
import Synchronization

/// What is found out on the chain, and kept in the oracle's tables.
extension ChainOperator {
  /// Brings the list of agents up to date, and the tables with it.
  func monitorAgents() async throws {
    let now = unixClock.seconds
    if let contract = plan.challengeManager { await readEvents(of: contract) }
    if let contract = plan.agentRegistry {
      do {
        for agent in try await activeAgents(of: contract) {
          monitor.update(try await registryRecord(of: agent, in: contract), at: now)
        }
      } catch {
        // The nodes are known all the same.
        logger.warning("AgentRegistry cannot be read", metadata: ["reason": "\(error)"])
      }
    }
    for node in registry.read({ $0.nodes.active(at: now) }) { monitor.update(node, at: now) }
    monitor.detectSilence(at: now)
    let rows = monitor.entries.map(\.row)
    // The deployed oracle books no agent's heartbeat of a block.
    let keepsHeartbeat = profile == .fixed
    records.tables.withLock { tables in
      for row in rows { tables.save(row, keepsHeartbeat: keepsHeartbeat) }
    }
    try await watchBlocks()
    let (block, epoch) = (try await client.blockNumber(), try await client.currentEpoch())
    records.tables.withLock { tables in
      tables.statistics = ChainTables.Statistics(
        blockNumber: block, activeAgents: tables.agents.values.count { $0.status == 1 },
        totalAgents: tables.agents.count, currentEpoch: epoch, updatedAt: now)
    }
  }

  private func activeAgents(of contract: Address) async throws -> [Address] {
    let words = try ContractAnswer(
      await client.call(to: contract, data: AgentRegistryCall.getActiveAgents.input))
    let count = try words.number(1)
    return try (0..<min(count, UInt64(words.count))).map { try words.address(2 + Int($0)) }
  }

  private func registryRecord(
    of agent: Address, in contract: Address
  ) async throws -> AgentMonitor.RegistryRecord {
    // A tuple behind its offset: wallet, node, text, registration, heartbeat, status, stake.
    let words = try ContractAnswer(
      await client.call(to: contract, data: AgentRegistryCall.getAgent(agent).input))
    return AgentMonitor.RegistryRecord(
      wallet: try words.address(1), nodeID: try words.hash(2).hex,
      metadata: try words.text(at: 3, from: 1),
      registeredAt: Int64(clamping: try words.number(4)),
      lastHeartbeat: Int64(clamping: try words.number(5)), status: try words.number(6),
      stake: try words.word(7))
  }

  /// Brings an epoch's row up to date.
  func synchronize(epoch: UInt64) async throws {
    let pool = PlumiseNetwork.Contract.rewardPool
    let number = ABIValue.uint(Word(epoch))
    let reward = try await client.readWord(
      of: pool, ABI.call("epochRewards(uint256)", [number]))
    let count = try await agents(of: epoch).count
    let isDistributed = try await isDistributed(epoch)
    let now = unixClock.seconds
    records.tables.withLock {
      $0.save(
        ChainTables.Epoch(
          number: epoch, reward: reward, agentCount: count, isDistributed: isDistributed,
          syncedAt: now))
    }
  }

  /// Brings the rows of an epoch's contributions up to date with what the pool has.
  func synchronizeContributions(of epoch: UInt64) async throws {
    for agent in try await agents(of: epoch) {
      let words = try ContractAnswer(
        await client.call(
          to: PlumiseNetwork.Contract.rewardPool,
          data: ABI.call(
            "getEpochContribution(uint256,address)", [.uint(Word(epoch)), .address(agent)])))
      // Six words; the genesis pool has four, which the deployed oracle fails to read (drift 29).
      let row = ChainTables.Contribution(
        wallet: agent, epoch: epoch,
        score: AgentScore(
          taskCount: try words.count(0), uptimeSeconds: try words.count(1),
          responseScore: try words.count(2), processedTokens: try words.count(4),
          averageLatencyInverse: try words.count(5)),
        lastUpdated: try words.count(3))
      guard row.lastUpdated > 0 else { continue }
      records.tables.withLock { $0.save(row) }
    }
  }

  func isDistributed(_ epoch: UInt64) async throws -> Bool {
    try await !client.readWord(
      of: PlumiseNetwork.Contract.rewardPool,
      ABI.call("epochDistributed(uint256)", [.uint(Word(epoch))])
    ).isZero
  }

  private func agents(of epoch: UInt64) async throws -> [Address] {
    let words = try ContractAnswer(
      await client.call(
        to: PlumiseNetwork.Contract.rewardPool,
        data: ABI.call("getEpochAgents(uint256)", [.uint(Word(epoch))])))
    let count = try words.number(1)
    return try (0..<min(count, UInt64(words.count))).map { try words.address(2 + Int($0)) }
  }
}

/// What a call of a contract returned, in words of 32 bytes.
struct ContractAnswer {
  private let bytes: [UInt8]

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  /// How many whole words there are.
  var count: Int { bytes.count / 32 }

  func word(_ index: Int) throws -> Word {
    guard index < count else {
      throw ChainError.malformedAnswer(
        method: "eth_call", reason: "\(count) words instead of at least \(index + 1)")
    }
    return try Word(bigEndian: bytes[(index * 32)..<(index * 32 + 32)])
  }

  func number(_ index: Int) throws -> UInt64 {
    let word = try word(index)
    guard let number = word.exactUInt64() else {
      throw ChainError.malformedAnswer(
        method: "eth_call", reason: "word \(index) is \(word), beyond 64 bits")
    }
    return number
  }

  func count(_ index: Int) throws -> Int64 { Int64(clamping: try number(index)) }

  func address(_ index: Int) throws -> Address { Address(truncating: try word(index)) }

  func hash(_ index: Int) throws -> Hash32 { try Hash32(bytes: word(index).bigEndianBytes) }

  /// A text whose offset, from the beginning of a tuple, is in a word.
  func text(at index: Int, from tuple: Int) throws -> String {
    let offset = try number(index)
    guard offset.isMultiple(of: 32), offset / 32 < UInt64(count) else {
      throw ChainError.malformedAnswer(method: "eth_call", reason: "a text at \(offset)")
    }
    let place = tuple + Int(offset / 32)
    let (length, start) = (try number(place), (place + 1) * 32)
    guard length <= UInt64(max(0, bytes.count - start)) else {
      throw ChainError.malformedAnswer(method: "eth_call", reason: "a text of \(length) bytes")
    }
    return String(decoding: bytes[start..<(start + Int(length))], as: UTF8.self)
  }
}
