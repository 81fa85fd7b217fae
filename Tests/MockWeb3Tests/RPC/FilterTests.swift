import EthereumClient
import EthereumPrimitives
import MockWeb3
import PlumiseWire
import TestSupport
import Testing

@Suite("Logs and filters", .timeLimit(.minutes(5)))
struct FilterTests {
  let network = TestChain()
  let registry = PlumiseNetwork.Contract.agentRegistry
  var agent: DevelopmentAccount { network.account(0) }

  private func ask(_ method: String, _ parameters: JSON...) async throws -> JSON {
    try await network.client.request(method, parameters)
  }

  /// Three blocks: a registration and two heartbeats, each with one log.
  private func makeLogs() async throws {
    let calls: [AgentRegistryCall] = [
      .registerAgent(nodeID: Keccak256.hash("n"), metadata: ""), .heartbeat, .heartbeat,
    ]
    for call in calls { try await network.send(call.input, to: registry, from: agent) }
  }

  private func count(_ filter: JSON) async throws -> Int? {
    try await ask("eth_getLogs", filter).arrayValue?.count
  }

  private var beat: JSON { .string(ContractEvent.heartbeat.topic.hex) }
  private var registered: JSON { .string(ContractEvent.agentRegistered.topic.hex) }

  @Test("Logs are found by address, topics, alternatives and range")
  func logs() async throws {
    try await makeLogs()
    let who = JSON.string(Hash32(word: agent.address.word).hex)
    let all: JSON = ["fromBlock": "0x0", "address": .string(registry.lowercaseHex)]
    #expect(try await count(all) == 3)
    #expect(try await count(["fromBlock": "0x0", "topics": [beat]]) == 2)
    #expect(try await count(["fromBlock": "0x0", "topics": [beat, who]]) == 2)
    #expect(try await count(["fromBlock": "0x0", "topics": [nil, who]]) == 3)
    #expect(try await count(["fromBlock": "0x0", "topics": [[beat, registered]]]) == 3)
    #expect(try await count(["fromBlock": "0x0", "topics": [beat, beat]]) == 0)
    #expect(try await count(["topics": [beat]]) == 1)
    #expect(try await count(["fromBlock": "0x1", "toBlock": "0x2"]) == 2)
    #expect(
      try await count([
        "fromBlock": "earliest",
        "address": [
          "0x0000000000000000000000000000000000001000", .string(registry.lowercaseHex),
        ],
      ]) == 3)
    let hash = JSON.string(network.chain.latestBlock.hash.hex)
    #expect(try await count(["blockHash": hash]) == 1)
  }

  @Test("Contradictory questions are refused")
  func refusals() async throws {
    #expect(
      try await network.failure("eth_getLogs", ["fromBlock": "0x2", "toBlock": "0x1"])
        == .refused("invalid block range params"))
    #expect(
      try await network.failure("eth_getLogs", ["fromBlock": "pending", "toBlock": "latest"])
        == .refused("invalid block range params"))
    let hash = JSON.string(Hash32.zero.hex)
    #expect(
      try await network.failure("eth_getLogs", ["blockHash": hash]) == .refused("unknown block"))
    #expect(
      try await network.failure("eth_getLogs", ["blockHash": hash, "fromBlock": "0x0"])?.message
        == "invalid argument 0: cannot specify both BlockHash and FromBlock/ToBlock, choose one "
        + "or the other")
    #expect(
      try await network.failure("eth_getFilterChanges", "0x9") == .refused("filter not found"))
  }

  /// Ends of ranges, on a chain of three blocks.
  private static let ends: [JSON] = [
    nil, "earliest", "0x0", "0x1", "0x3", "0x6", "latest", "pending", "safe", "finalized",
  ]

  private func range(_ from: JSON, _ to: JSON) -> JSON { ["fromBlock": from, "toBlock": to] }

  @Test("Every range of logs gives what geth gives", arguments: ends, ends)
  func ranges(from: JSON, to: JSON) async throws {
    try await makeLogs()
    network.chain.setMining(.manual)
    try await network.client.send(
      network.transaction(from: agent, to: registry, data: AgentRegistryCall.heartbeat.input))
    func height(_ end: JSON) -> Int {
      switch end.stringValue {
      case "earliest", "0x0": 0
      case "0x1": 1
      case "0x6": 6
      default: 3
      }
    }
    let isNumber = { (end: JSON) in height(end) > 0 && end.stringValue?.hasPrefix("0x") == true }
    let isContradiction = isNumber(from) && isNumber(to) && height(from) > height(to)
    guard !isContradiction, from != "pending" || to == "pending" else {
      #expect(
        try await network.failure("eth_getLogs", range(from, to))
          == .refused("invalid block range params"))
      return
    }
    // Each block but the first has one log, and so has the one that is pending.
    let mined = from == "pending" ? 0 : max(0, min(height(to), 3) - max(height(from), 1) + 1)
    let logs = try #require(try await ask("eth_getLogs", range(from, to)).arrayValue)
    #expect(logs.count == mined + (to == "pending" ? 1 : 0))
    #expect(to != "pending" || logs.last?["blockNumber"] == "0x4")
  }

  @Test(
    "A filter follows the ranges that geth lets it follow, and no others", arguments: ends, ends)
  func followedRanges(from: JSON, to: JSON) async throws {
    // What geth's SubscribeLogs says, with its numbers for the names.
    func number(_ end: JSON) -> Int {
      switch end.stringValue {
      case "earliest", "0x0": 0
      case "0x1": 1
      case "0x3": 3
      case "0x6": 6
      case "pending": -1
      case "finalized": -3
      case "safe": -4
      default: -2
      }
    }
    let (first, last) = (number(from), number(to))
    let isFollowed =
      (first == -1 && last == -1) || (first == -2 && last == -2)
      || (first >= 0 && last >= 0 && last >= first) || (first >= -2 && last == -1)
      || (first >= 0 && last == -2)
    guard isFollowed else {
      #expect(
        try await network.failure("eth_newFilter", range(from, to))
          == .refused("invalid block range params"))
      return
    }
    let filter = try await ask("eth_newFilter", range(from, to))
    try await makeLogs()
    let expected = (1...3).count { height in
      (first < 0 || height >= first) && (last < 0 || height <= last) && first != -1
    }
    let changes = try await ask("eth_getFilterChanges", filter)
    #expect(changes.arrayValue?.count == expected)
    let again = try await ask("eth_getFilterLogs", filter)
    #expect(try await again == ask("eth_getLogs", range(from, to)))
  }

  @Test("Filters give what is new, once")
  func changes() async throws {
    let blocks = try await ask("eth_newBlockFilter")
    let pending = try await ask("eth_newPendingTransactionFilter")
    let logs = try await ask("eth_newFilter", ["topics": [beat]])
    try await makeLogs()
    #expect(try await ask("eth_getFilterChanges", blocks).arrayValue?.count == 3)
    #expect(try await ask("eth_getFilterChanges", pending).arrayValue?.count == 3)
    #expect(try await ask("eth_getFilterChanges", logs).arrayValue?.count == 2)
    for filter in [blocks, pending, logs] {
      #expect(try await ask("eth_getFilterChanges", filter) == [])
    }
    #expect(try await ask("eth_getFilterLogs", logs).arrayValue?.count == 1)
    #expect(try await ask("eth_uninstallFilter", logs) == true)
    #expect(try await ask("eth_uninstallFilter", logs) == false)
  }

  @Test("A transaction behind a gap is pending when the gap is filled, a replacement at once")
  func promotion() async throws {
    network.chain.setMining(.manual)
    let filter = try await ask("eth_newPendingTransactionFilter")
    let whole = try await ask("eth_newPendingTransactionFilter", true)
    let sent = (0..<3 as Range<UInt64>).map {
      network.transaction(from: agent, nonce: $0, to: .precompile(0x23))
    }
    for transaction in sent.dropFirst() { try await network.client.send(transaction) }
    #expect(try await ask("eth_getFilterChanges", filter) == [])
    try await network.client.send(sent[0])
    let hashes = JSON.array(sent.map { .string($0.hash.hex) })
    #expect(try await ask("eth_getFilterChanges", filter) == hashes)
    let transactions = try await ask("eth_getFilterChanges", whole).arrayValue ?? []
    #expect(JSON.array(transactions.compactMap { $0["hash"] }) == hashes)
    #expect(
      try await transactions.first
        == ask("eth_getTransactionByHash", .string(sent[0].hash.hex)))
    let bumped = network.transaction(
      from: agent, nonce: 1, fee: .legacy(gasPrice: 4_000_000_000), to: .precompile(0x23))
    try await network.client.send(bumped)
    #expect(
      try await ask("eth_getFilterChanges", filter) == [.string(bumped.hash.hex)])
  }

  @Test("A reorganisation takes logs back")
  func reorganisation() async throws {
    let filter = try await ask("eth_newFilter", ["topics": [beat]])
    try await makeLogs()
    _ = try await ask("eth_getFilterChanges", filter)
    #expect(network.chain.reorganise(depth: 1))
    let removed = try await ask("eth_getFilterChanges", filter)
    #expect(removed.arrayValue?.map { $0["removed"] } == [true])
    network.chain.mine()
    let again = try await ask("eth_getFilterChanges", filter)
    #expect(again.arrayValue?.map { $0["removed"] } == [false])
  }
}
