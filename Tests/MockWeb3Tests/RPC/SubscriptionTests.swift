import EthereumClient
import EthereumPrimitives
import MockServing
import MockWeb3
import PlumiseWire
import TestSupport
import Testing

@Suite("Subscriptions", .timeLimit(.minutes(5))) struct SubscriptionTests {
  let network = TestChain()

  /// Runs a body with a WebSocket connection to the chain.
  private func connected(_ body: (RawWebSocket) async throws -> Void) async throws {
    try await network.chain.withServer { address in
      try await RawWebSocket.connected(to: address, body)
    }
  }

  private func call(_ method: String, _ parameters: [JSON] = [], id: JSON = 1) -> String {
    RPCRequest(id: id, method: method, params: parameters).json.text
  }

  /// The next so many messages after those that came before.
  private func messages(
    _ client: RawWebSocket, _ range: Range<Int>
  ) async throws -> [JSON] {
    try await client.frames.wait(forCount: range.upperBound)[range].map {
      try JSON.parse($0.payload)
    }
  }

  private func subscribe(
    _ client: RawWebSocket, _ parameters: JSON..., after count: Int = 0
  ) async throws -> JSON {
    try await client.send(call("eth_subscribe", parameters))
    return try await messages(client, count..<(count + 1))[0]["result"] ?? .null
  }

  @Test("Methods, batches and errors are the same over WebSocket as over HTTP")
  func methods() async throws {
    try await connected { client in
      for text in [
        call("eth_chainId"), "[\(call("eth_chainId", id: "a")),\(call("nonsense"))]", "{",
        "[]", #"{"jsonrpc":"2.0","method":"eth_chainId"}"#, call("eth_blockNumber", [1]),
      ] {
        try await client.send(text)
      }
      let answers = try await client.frames.wait(forCount: 5).map(\.text)
      var expected: [String] = []
      for text in [
        call("eth_chainId"), "[\(call("eth_chainId", id: "a")),\(call("nonsense"))]", "{", "[]",
        call("eth_blockNumber", [1]),
      ] {
        let answer = try #require(await network.chain.respond(to: Array(text.utf8)))
        expected.append(String(decoding: answer, as: UTF8.self))
      }
      #expect(answers == expected)
    }
  }

  @Test("A block is announced by its header, after the answer that subscribed")
  func newHeads() async throws {
    try await connected { client in
      try await client.send(
        "[\(call("eth_subscribe", ["newHeads"])),\(call("evm_mine", [], id: 2))]")
      let messages = try await messages(client, 0..<2)
      let id = try #require(messages[0].arrayValue?.first?["result"])
      let block = network.chain.latestBlock
      #expect(messages[1]["method"] == "eth_subscription")
      #expect(messages[1]["params"]?["subscription"] == id)
      let header = try #require(messages[1]["params"]?["result"]?.objectValue)
      #expect(header["hash"] == .string(block.hash.hex))
      #expect(
        header.members.map(\.key) == [
          "parentHash", "sha3Uncles", "miner", "stateRoot", "transactionsRoot", "receiptsRoot",
          "logsBloom", "difficulty", "number", "gasLimit", "gasUsed", "timestamp", "extraData",
          "mixHash", "nonce", "baseFeePerGas", "withdrawalsRoot", "blobGasUsed", "excessBlobGas",
          "parentBeaconBlockRoot", "hash",
        ])
      let whole = try JSON.parse(
        #require(
          await network.chain.respond(
            to: Array(call("eth_getBlockByNumber", ["latest", false]).utf8))))
      for member in header.members where member.value != .null {
        #expect(member.value == whole["result"]?[member.key], "\(member.key)")
      }
    }
  }

  @Test("A transaction is announced by its hash, or whole")
  func pendingTransactions() async throws {
    network.chain.setMining(.manual)
    try await connected { client in
      let hashes = try await subscribe(client, "newPendingTransactions")
      let whole = try await subscribe(client, "newPendingTransactions", true, after: 1)
      let signed = network.transaction(
        from: network.account(0), gas: 21_000, to: network.account(1).address, value: 1)
      _ = try await network.client.send(signed)
      let messages = try await messages(client, 2..<4)
      #expect(messages.map { $0["params"]?["subscription"] } == [hashes, whole])
      #expect(messages[0]["params"]?["result"] == .string(signed.hash.hex))
      #expect(messages[1]["params"]?["result"]?["hash"] == .string(signed.hash.hex))
      #expect(messages[1]["params"]?["result"]?["blockHash"] == .null)
    }
  }

  @Test("A log is announced, and taken back when its block is undone")
  func logs() async throws {
    try await connected { client in
      let id = try await subscribe(
        client, "logs", ["address": .string(PlumiseNetwork.Contract.agentRegistry.lowercaseHex)])
      try await network.send(
        AgentRegistryCall.registerAgent(nodeID: Keccak256.hash("agent"), metadata: "").input,
        to: PlumiseNetwork.Contract.agentRegistry, from: network.account(0))
      let added = try await messages(client, 1..<2)[0]
      #expect(added["params"]?["subscription"] == id)
      #expect(added["params"]?["result"]?["removed"] == false)
      #expect(network.chain.reorganise(depth: 1))
      let removed = try await messages(client, 2..<3)[0]
      #expect(removed["params"]?["result"]?["removed"] == true)
      for name in ["blockHash", "transactionHash", "logIndex", "data", "topics"] {
        #expect(removed["params"]?["result"]?[name] == added["params"]?["result"]?[name])
      }
    }
  }

  @Test("A subscription that was ended announces nothing, and ends once, by its own connection")
  func unsubscribing() async throws {
    try await network.chain.withServer { address in
      try await RawWebSocket.connected(to: address) { client in
        let id = try await subscribe(client, "newHeads")
        try await RawWebSocket.connected(to: address) { other in
          try await other.send(call("eth_unsubscribe", [id]))
          let answer = try await messages(other, 0..<1)[0]
          #expect(answer["error"] == ["code": -32000, "message": "subscription not found"])
        }
        try await client.send(call("eth_unsubscribe", [id]))
        #expect(try await messages(client, 1..<2)[0]["result"] == true)
        network.chain.mine()
        try await client.send(call("eth_unsubscribe", [id]))
        let answer = try await messages(client, 2..<3)[0]
        #expect(answer["error"] == ["code": -32000, "message": "subscription not found"])
      }
    }
  }

  @Test(
    "A subscription that there is not is refused in geth's words",
    arguments: [
      (["nonsense"], -32601, #"no "nonsense" subscription in eth namespace"#),
      ([], -32602, "expected subscription name as first argument"),
      ([1], -32602, "expected subscription name as first argument"),
      (["newHeads", 1], -32602, "too many arguments, want at most 1"),
      (["logs"], -32602, "missing value for required argument 1"),
      (["logs", ["address": 5]], -32602, "invalid argument 1: invalid addresses in query"),
      (["logs", ["fromBlock": "0x5", "toBlock": "0x1"]], -32000, "invalid block range params"),
    ] as [([JSON], Int, String)])
  func refusals(parameters: [JSON], code: Int, message: String) async throws {
    try await connected { client in
      try await client.send(call("eth_subscribe", parameters))
      let answer = try await messages(client, 0..<1)[0]
      #expect(answer["error"] == ["code": .integer(code), "message": .string(message)])
    }
  }

  @Test("A fault that resets connections meets a message over WebSocket")
  func reset() async throws {
    network.chain.inject(ChainFaultRule(.reset(afterHandling: true), method: "evm_mine"))
    try await connected { client in
      try await client.send(call("eth_chainId"))
      _ = try await client.frames.next()
      try await client.send(call("evm_mine"))
      #expect(try await client.ended.next() != "")
      #expect(network.chain.blockNumber == 1)
    }
  }
}
