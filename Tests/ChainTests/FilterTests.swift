import EthereumPrimitives
import MockWeb3
import PlumiseWire
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
