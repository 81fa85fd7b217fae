import EVM
import EthereumClient
import EthereumPrimitives
import MockWeb3
import PlumiseWire
import TestSupport
import Testing

@Suite("Shapes of JSON-RPC answers", .timeLimit(.minutes(5)))
struct RPCShapeTests {
  let network = TestChain()
  var sender: DevelopmentAccount { network.account(0) }

  private func ask(_ method: String, _ parameters: JSON...) async throws -> JSON {
    try await network.client.request(method, parameters)
  }

  private static let fees: [Transaction.Fee] = [
    .legacy(gasPrice: 2_000_000_000),
    .accessList(
      gasPrice: 2_000_000_000,
      [AccessListEntry(address: .precompile(0x22), storageKeys: [.zero, .zero])]),
    .feeMarket(maxPriorityFeePerGas: 1_000_000_000, maxFeePerGas: 3_000_000_000, []),
  ]

  @Test("A receipt has geth's fields", arguments: fees)
  func receipt(fee: Transaction.Fee) async throws {
    let transaction = network.transaction(from: sender, fee: fee, to: .precompile(0x23))
    try await network.client.send(transaction)
    let receipt = try await ask("eth_getTransactionReceipt", .string(transaction.hash.hex))
    let block = network.chain.latestBlock
    // The base fee of the first block after the genesis is an eighth below 1 gwei.
    let price: Word =
      fee.transactionType == 2 ? 1_875_000_000 : 2_000_000_000
    let gas = IntrinsicGas.of(data: [], accessList: fee.accessList, fork: .london)
    #expect(
      receipt == [
        "blockHash": .string(block.hash.hex), "blockNumber": "0x1", "contractAddress": nil,
        "cumulativeGasUsed": .string(Quantity.encode(gas)),
        "effectiveGasPrice": .string(Quantity.encode(price)),
        "from": .string(sender.address.lowercaseHex), "gasUsed": .string(Quantity.encode(gas)),
        "logs": [], "logsBloom": .string("0x" + String(repeating: "0", count: 512)),
        "status": "0x1", "to": "0x0000000000000000000000000000000000000023",
        "transactionHash": .string(transaction.hash.hex), "transactionIndex": "0x0",
        "type": .string("0x\(fee.transactionType)"),
      ])
  }

  @Test("A transaction has geth's fields for its type", arguments: fees)
  func transaction(fee: Transaction.Fee) async throws {
    let sent = network.transaction(from: sender, fee: fee, to: .precompile(0x23), data: [])
    try await network.client.send(sent)
    let answer = try await ask("eth_getTransactionByHash", .string(sent.hash.hex))
    var keys: Set = [
      "blockHash", "blockNumber", "from", "gas", "gasPrice", "hash", "input", "nonce", "to",
      "transactionIndex", "value", "type", "chainId", "v", "r", "s",
    ]
    if fee.transactionType > 0 { keys.formUnion(["accessList", "yParity"]) }
    if fee.transactionType == 2 { keys.formUnion(["maxFeePerGas", "maxPriorityFeePerGas"]) }
    #expect(Set(answer.objectValue?.keys ?? []) == keys)
    #expect(answer["v"] == .string(Quantity.encode(sent.v)))
    #expect(answer["input"] == "0x")
    #expect(answer["from"] == .string(sender.address.lowercaseHex))
    #expect(
      try await ask("eth_getRawTransactionByHash", .string(sent.hash.hex))
        == .string(Hex.encode(sent.raw)))
  }

  @Test("A waiting transaction has no block yet")
  func waiting() async throws {
    network.chain.setMining(.manual)
    let sent = network.transaction(from: sender)
    try await network.client.send(sent)
    let answer = try await ask("eth_getTransactionByHash", .string(sent.hash.hex))
    #expect(answer["blockHash"] == .null)
    #expect(answer["transactionIndex"] == .null)
    #expect(try await ask("eth_getTransactionReceipt", .string(sent.hash.hex)) == .null)
  }

  @Test("A block has geth's fields, and its hash is that of its RLP")
  func block() async throws {
    try await network.send(to: .precompile(0x23), from: sender)
    let answer = try await ask("eth_getBlockByNumber", "latest", false)
    #expect(
      Set(answer.objectValue?.keys ?? []) == [
        "number", "hash", "parentHash", "nonce", "mixHash", "sha3Uncles", "logsBloom", "stateRoot",
        "miner", "difficulty", "totalDifficulty", "extraData", "gasLimit", "gasUsed", "timestamp",
        "transactionsRoot", "receiptsRoot", "size", "transactions", "uncles", "baseFeePerGas",
      ])
    let header = BlockHeader(
      parentHash: try answer.hash("parentHash"), coinbase: try answer.address("miner"),
      stateRoot: try answer.hash("stateRoot"),
      transactionsRoot: try answer.hash("transactionsRoot"),
      receiptsRoot: try answer.hash("receiptsRoot"), logsBloom: try answer.bytes("logsBloom"),
      difficulty: 0, number: 1, gasLimit: 30_000_000, gasUsed: 21_000,
      timestamp: TestChain.time + 1, extraData: try answer.bytes("extraData"),
      baseFeePerGas: 875_000_000)
    #expect(try answer.hash("hash") == header.hash)
    #expect(try answer.bytes("extraData").count <= 32)
    let byHash = try await ask("eth_getBlockByHash", answer["hash"] ?? .null, false)
    #expect(byHash == answer)
  }

  @Test("The roots of a block are those of its transactions and receipts")
  func roots() async throws {
    network.chain.setMining(.manual)
    for nonce in 0..<20 as Range<UInt64> {
      try await network.client.send(network.transaction(from: sender, nonce: nonce))
    }
    let block = network.chain.mine()
    #expect(block.transactions.map(\.transaction.nonce) == Array(0..<20))
    #expect(
      block.header.transactionsRoot == MerkleTrie.root(ofList: block.transactions.map(\.signed.raw))
    )
    let receipts = block.receipts.map { receipt in
      TransactionReceipt.consensusBytes(
        type: receipt.type, succeeded: receipt.succeeded,
        cumulativeGasUsed: receipt.cumulativeGasUsed, bloom: LogsBloom(receipt.logs),
        logs: receipt.logs)
    }
    #expect(block.header.receiptsRoot == MerkleTrie.root(ofList: receipts))
    #expect(block.header.gasUsed == block.receipts.last?.cumulativeGasUsed)
  }

  @Test("The receipts' root of a block with one transaction is that of its receipt")
  func singleReceipt() async throws {
    let price: Word = 3_000_000_000
    let fees: [Transaction.Fee] = [
      .legacy(gasPrice: price), .accessList(gasPrice: price, []),
      .feeMarket(maxPriorityFeePerGas: 1_000_000_000, maxFeePerGas: price, []),
    ]
    var roots: Set<Hash32> = []
    // A transfer, one with data, and a call that is reverted.
    for (to, data) in [(.zero, []), (.zero, [1]), (.precompile(0x22), [])] as [(Address, [UInt8])] {
      for fee in fees {
        try await network.client.send(
          network.transaction(from: sender, fee: fee, to: to, data: data))
        let block = network.chain.latestBlock
        let receipt = try #require(block.receipts.first)
        let bytes = TransactionReceipt.consensusBytes(
          type: receipt.type, succeeded: receipt.succeeded,
          cumulativeGasUsed: receipt.cumulativeGasUsed, bloom: LogsBloom(receipt.logs),
          logs: receipt.logs)
        #expect(block.header.receiptsRoot == MerkleTrie.root(ofList: [bytes]))
        roots.insert(block.header.receiptsRoot)
      }
    }
    #expect(roots.count == 9)
  }

  @Test("The state root is that of the accounts' trie, made anew")
  func stateRoot() async throws {
    let other = network.chain.makeAccount(balance: 5).address
    try await network.send(to: other, from: sender, value: 7)
    var trie = MerkleTrie<Account>()
    for address in network.chain.accounts.map(\.address) + [other, .zero] {
      trie[Keccak256.hash(address.bytes).bytes] = Account(
        nonce: network.chain.nonce(of: address), balance: network.chain.balance(of: address))
    }
    let contracts = PlumiseNetwork.Contract.self
    for address in [contracts.agentRegistry, contracts.rewardPool] {
      trie[Keccak256.hash(address.bytes).bytes] = Account(
        nonce: 1, balance: network.chain.balance(of: address), isNative: true)
    }
    #expect(network.chain.latestBlock.header.stateRoot == trie.rootHash)
  }

  @Test("agent_getStatus and agent_getAgentMeta have the chain's fields")
  func agentStatus() async throws {
    let address = JSON.string(sender.address.lowercaseHex)
    #expect(
      try await ask("agent_getStatus", address) == [
        "address": address, "registered": false, "active": false, "nodeId": "",
        "lastHeartbeat": "0x0", "registeredAt": "0x0", "totalRewards": "0x0", "metadata": "",
      ])
    #expect(try await ask("agent_isAgentAccount", address, "latest") == false)
    #expect(try await ask("agent_getAgentMeta", address, "latest") == .null)
    try await network.registerActive(sender, name: "bloom-560m")
    let time = JSON.string(Quantity.encode(TestChain.time + 1))
    let beat = JSON.string(Quantity.encode(TestChain.time + 2))
    #expect(
      try await ask("agent_getStatus", address) == [
        "address": address, "registered": true, "active": true, "nodeId": "",
        "lastHeartbeat": beat, "registeredAt": time, "totalRewards": "0x0",
        "metadata": "bloom-560m",
      ])
    #expect(try await ask("agent_isAgentAccount", address, "latest") == true)
    #expect(try await ask("agent_isAgentAccount", address, "0x0") == false)
    let meta = try await ask("agent_getAgentMeta", address, "latest")
    #expect(
      Set(meta.objectValue?.keys ?? []) == [
        "name", "modelHash", "capabilityCount", "capabilities", "registeredAt", "lastHeartbeat",
        "inferenceCount", "totalTokensProcessed", "stake", "status",
      ])
  }

  @Test("A revert has code 3, the reason and its bytes")
  func revert() async throws {
    let call: JSON = [
      "from": .string(sender.address.lowercaseHex),
      "to": "0x0000000000000000000000000000000000000022",
    ]
    let body = RPCRequest(id: 1, method: "eth_call", params: [call, "latest"]).json.serialized()
    let answer = try JSON.parse(try #require(await network.chain.respond(to: body)))
    #expect(
      answer["error"] == [
        "code": 3, "message": "execution reverted: agentHeartbeat: not registered",
        "data": .string(Hex.encode(ABI.encodeError("agentHeartbeat: not registered"))),
      ])
  }

  @Test("Blocks that do not exist are null, their states an error")
  func unknownBlocks() async throws {
    #expect(try await ask("eth_getBlockByNumber", "0x9", false) == .null)
    #expect(try await ask("eth_getBlockReceipts", "0x9") == .null)
    let address = JSON.string(sender.address.lowercaseHex)
    #expect(
      try await network.failure("eth_getBalance", address, "0x9") == .refused("header not found"))
  }

  @Test("Balances of the past are kept for 128 blocks")
  func history() async throws {
    let start = network.chain.balance(of: sender.address)
    try await network.send(to: .zero, from: sender, value: 1)
    network.chain.mine(120)
    #expect(try await network.client.balance(of: sender.address, at: .earliest) == start)
    network.chain.mine(400)
    let failure = try await network.failure(
      "eth_getBalance", .string(sender.address.lowercaseHex), "0x1")
    #expect(failure?.message.hasPrefix("missing trie node") == true)
  }

  @Test("Fee history covers the blocks and the one to come")
  func feeHistory() async throws {
    try await network.send(to: .zero, from: sender, value: 1)
    let history = try await ask("eth_feeHistory", "0x5", "latest", [50])
    #expect(
      history == [
        "oldestBlock": "0x0", "baseFeePerGas": ["0x3b9aca00", "0x342770c0", "0x2da4d8cd"],
        "gasUsedRatio": .array([
          .number(JSONNumber(python: 0)), .number(JSONNumber(python: 21_000 / 30_000_000)),
        ]),
        "reward": [["0x0"], ["0x430e2340"]],
      ])
  }

  @Test(
    "Percentiles of a fee history rise, none is like none, and the head is the end",
    arguments: [
      ("[101]", "invalid reward percentile: 101.000000"),
      ("[-0.5]", "invalid reward percentile: -0.500000"),
      ("[20, 10]", "invalid reward percentile: #0:20.000000 >= #1:10.000000"),
      ("[5, 5]", "invalid reward percentile: #0:5.000000 >= #1:5.000000"),
    ])
  func percentiles(percentiles: String, message: String) async throws {
    let parsed = try JSON.parse(Array(percentiles.utf8))
    #expect(
      try await network.failure("eth_feeHistory", "0x1", "latest", parsed) == .refused(message))
    let history = try await ask("eth_feeHistory", "0x1", "latest", [])
    #expect(history["reward"] == nil && history["oldestBlock"] == "0x0")
    #expect(
      try await ask("eth_feeHistory", "0x0", "latest", [])
        == ["oldestBlock": "0x0", "gasUsedRatio": nil])
    #expect(
      try await network.failure("eth_feeHistory", "0x1", "0x9", [])
        == .refused("request beyond head block: requested 9, head 0"))
  }

  @Test("In proof-of-authority mode the extra data is vanity and a seal that recovers the sealer")
  func seal() async throws {
    var configuration = ChainConfiguration()
    configuration.sealer = network.oracle.key
    let sealed = TestChain(configuration)
    try await sealed.send(to: .zero, from: sender, value: 1)
    let header = sealed.chain.latestBlock.header
    #expect(header.extraData.count == 97)
    #expect(header.difficulty == 2)
    var unsealed = header
    unsealed.extraData = Array(header.extraData.prefix(32))
    let signature = try Signature(bytes: Array(header.extraData.suffix(65)))
    #expect(try signature.recoverAddress(unsealed.hash) == network.oracle.address)
    // EIP-225: the genesis lists the signers between vanity and seal.
    let genesis = try #require(sealed.chain.block(0)).header
    #expect(genesis.extraData.count == 32 + 20 + 65 && genesis.difficulty == 1)
    #expect(Array(genesis.extraData[32..<52]) == network.oracle.address.bytes)
  }
}
