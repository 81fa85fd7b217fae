import EthereumClient
import EthereumPrimitives
import Foundation
import MockWeb3
import PlumiseWire
import TestSupport
import Testing

@Suite("Methods of Anvil", .timeLimit(.minutes(5)))
struct AnvilMethodTests {
  let network = TestChain()

  private func ask(_ method: String, _ parameters: JSON...) async throws -> JSON {
    try await network.client.request(method, parameters)
  }

  private func json(_ address: Address) -> JSON { .string(address.lowercaseHex) }

  private func transfer(from sender: Address, to recipient: Address) -> JSON {
    ["from": json(sender), "to": json(recipient), "value": "0x5"]
  }

  private let stranger = Address.precompile(0xab)
  private let recipient = Address.precompile(0xee)

  @Test("An impersonated account sends without a key, until it is stopped")
  func impersonation() async throws {
    network.chain.fund(stranger)
    let request = transfer(from: stranger, to: recipient)
    #expect(
      try await network.failure("eth_sendTransaction", request) == .refused("unknown account"))
    _ = try await ask("anvil_impersonateAccount", json(stranger))
    let hash = try await ask("eth_sendTransaction", request)
    let receipt = try await ask("eth_getTransactionReceipt", hash)
    #expect(receipt["from"] == json(stranger) && receipt["status"] == "0x1")
    #expect(try await ask("eth_getTransactionByHash", hash)["from"] == json(stranger))
    #expect(network.chain.balance(of: recipient) == 5)
    _ = try await ask("anvil_stopImpersonatingAccount", json(stranger))
    #expect(
      try await network.failure("eth_sendTransaction", request) == .refused("unknown account"))
    _ = try await ask("anvil_autoImpersonateAccount", true)
    _ = try await ask("eth_sendTransaction", request)
    #expect(network.chain.nonce(of: stranger) == 2)
    // The bytes do not pass as the stranger's where anybody can send them.
    let raw = try await ask("eth_getRawTransactionByHash", hash)
    #expect(try await network.failure("eth_sendRawTransaction", raw) == .refused("invalid sender"))
  }

  @Test("An impersonated contract sends, and the file of the chain keeps what it sent")
  func impersonatedContract() async throws {
    try await withTemporaryFolder { folder in
      let file = folder.appending(path: "chain")
      let hash: Hash32
      do {
        let chain = try MockWeb3(ChainConfiguration(), stateFile: file)
        let network = TestChain(chain)
        chain.fund(stranger)
        _ = try await network.client.request("anvil_setCode", [json(stranger), "0x00"])
        _ = try await network.client.request("anvil_impersonateAccount", [json(stranger)])
        _ = try await network.client.request("anvil_setCoinbase", [json(recipient)])
        _ = try await network.client.request("anvil_setBlockGasLimit", ["0xf4240"])
        let text = try await network.client.request(
          "eth_sendTransaction", [transfer(from: stranger, to: .precompile(0xdd))])
        hash = try Hash32(#require(text.stringValue))
        #expect(chain.receipt(of: hash)?.succeeded == true)
      }
      // Once as the steps were written, once as the start before wrote them anew.
      for _ in 0..<2 {
        let chain = try MockWeb3(ChainConfiguration(), stateFile: file)
        #expect(chain.transaction(hash)?.sender == stranger)
        #expect(chain.latestBlock.header.coinbase == recipient)
        #expect(chain.latestBlock.header.gasLimit == 1_000_000)
        #expect(chain.mine().header.gasLimit == 1_000_000)
      }
    }
  }

  @Test("The coinbase and the gas limit that are set hold for the blocks to come")
  func blockSettings() async throws {
    let before = network.chain.latestBlock.header
    _ = try await ask("hardhat_setCoinbase", json(recipient))
    _ = try await ask("evm_setBlockGasLimit", 100_000)
    #expect(try await ask("eth_coinbase") == json(recipient))
    let sender = network.account(0)
    let tooMuch = network.transaction(from: sender, gas: 100_001, to: stranger)
    #expect(
      try await network.failure("eth_sendRawTransaction", .string(Hex.encode(tooMuch.raw)))
        == .refused("exceeds block gas limit"))
    try await network.client.send(
      network.transaction(from: sender, gas: 100_000, to: stranger))
    let header = network.chain.latestBlock.header
    #expect(header.coinbase == recipient && header.gasLimit == 100_000)
    #expect(network.chain.balance(of: recipient) > 0)
    #expect(before.coinbase == .zero && before.gasLimit == 30_000_000)
  }

  @Test("Blocks are as far apart as the interval says, until it is removed")
  func timestampInterval() async throws {
    let first = network.chain.mine().header.timestamp
    _ = try await ask("anvil_setBlockTimestampInterval", 15)
    #expect(network.chain.mine().header.timestamp == first + 15)
    #expect(network.chain.mine().header.timestamp == first + 30)
    #expect(try await ask("anvil_removeBlockTimestampInterval") == true)
    #expect(try await ask("anvil_removeBlockTimestampInterval") == false)
    #expect(network.chain.mine().header.timestamp == first + 31)
  }

  @Test("A rollback takes blocks off with their transactions and what a test changed after them")
  func rollback() async throws {
    let sender = network.account(0)
    network.chain.fund(stranger, 7)
    try await network.send(to: recipient, from: sender, value: 1)
    let kept = network.chain.latestBlock.hash
    network.chain.fund(stranger, 1)
    try await network.send(to: recipient, from: sender, value: 2)
    network.chain.fund(stranger, 2)
    _ = try await ask("anvil_rollback")
    #expect(network.chain.latestBlock.hash == kept)
    #expect(network.chain.balance(of: recipient) == 1 && network.chain.balance(of: stranger) == 8)
    #expect(network.chain.waitingTransactionCount == 0)
    #expect(
      try await network.failure("anvil_rollback", 5)
        == .refused("the chain cannot be rolled back 5 blocks"))
  }

  @Test("mine_detailed answers with the blocks and their transactions")
  func mineDetailed() async throws {
    network.chain.setMining(.manual)
    let sent = network.transaction(from: network.account(0), to: recipient, value: 1)
    try await network.client.send(sent)
    let blocks = try await ask("evm_mine_detailed", ["blocks": 2]).arrayValue
    #expect(blocks?.map { $0["number"] } == ["0x1", "0x2"])
    let transaction = blocks?.first?["transactions"]?.arrayValue?.first
    #expect(transaction?["hash"] == .string(sent.hash.hex))
  }

  @Test("The pool is emptied, of one sender's transactions or of all")
  func pool() async throws {
    network.chain.setMining(.manual)
    for index in 0..<3 {
      let sender = network.account(index)
      try await network.client.send(network.transaction(from: sender, to: recipient))
    }
    _ = try await ask("anvil_removePoolTransactions", json(network.account(1).address))
    #expect(network.chain.waitingTransactionCount == 2)
    _ = try await ask("anvil_dropAllTransactions")
    #expect(network.chain.waitingTransactionCount == 0)
  }

  @Test("nodeInfo names the latest block, the hard fork and the fees")
  func nodeInfo() async throws {
    let block = network.chain.mine()
    let info = try await ask("anvil_nodeInfo")
    #expect(info["currentBlockHash"] == .string(block.hash.hex))
    #expect(info["currentBlockNumber"] == "0x1" && info["hardFork"] == "london")
    #expect(info["environment"]?["chainId"] == 41_956)
  }

  @Test("A transaction is filled as it would be sent, and not sent")
  func fillTransaction() async throws {
    let sender = network.account(0).address
    let answer = try await ask("eth_fillTransaction", transfer(from: sender, to: recipient))
    let transaction = try #require(answer["tx"])
    #expect(transaction["nonce"] == "0x0" && transaction["gas"] == "0x5208")
    #expect(transaction["type"] == "0x2" && transaction["maxPriorityFeePerGas"] == "0x3b9aca00")
    #expect(transaction["r"] == "0x0" && transaction["gasPrice"] == .null)
    let raw = try Hex.decode(#require(answer["raw"]?.stringValue))
    #expect(raw.first == 2 && transaction["hash"] == .string(Keccak256.hash(raw).hex))
    #expect(network.chain.blockNumber == 0 && network.chain.waitingTransactionCount == 0)
  }

  @Test("A transaction that waits is sent again with another price")
  func resend() async throws {
    network.chain.setMining(.manual)
    let sender = network.account(0).address
    let request: JSON = [
      "from": json(sender), "to": json(recipient), "gas": "0x5208", "gasPrice": "0x77359400",
      "nonce": "0x0",
    ]
    let first = try await ask("eth_sendTransaction", request)
    let second = try await ask("eth_resend", request, "0xb2d05e00")
    #expect(first != second && network.chain.waitingTransactionCount == 1)
    let failure = try await network.failure("eth_resend", request, "0xb2d05e00")
    #expect(failure?.message.hasSuffix(" not found") == true)
    #expect(
      try await network.failure("eth_resend", transfer(from: sender, to: recipient))
        == .refused("missing transaction nonce in transaction spec"))
  }

  @Test("Raw blocks and receipts are those that the header's roots are made of")
  func rawBlocks() async throws {
    try await network.send(to: recipient, from: network.account(0), value: 1)
    let block = network.chain.latestBlock
    let raw = try Hex.decode(#require(try await ask("debug_getRawBlock", "latest").stringValue))
    #expect(raw.count == block.size)
    guard case .list(let parts) = try RLP.decode(raw) else { throw NoList() }
    #expect(Keccak256.hash(RLP.encode(parts[0])) == block.hash && parts.count == 3)
    let receipts = try #require(try await ask("debug_getRawReceipts", "0x1").arrayValue)
    let bytes = try receipts.map { try Hex.decode(#require($0.stringValue)) }
    #expect(MerkleTrie.root(ofList: bytes) == block.header.receiptsRoot)
  }

  private struct NoList: Error {}

  @Test("clique_ names the sealer of a chain in proof-of-authority mode")
  func clique() async throws {
    #expect(
      try await network.failure("clique_getSigners")
        == .refused("the chain is not in proof-of-authority mode"))
    var configuration = ChainConfiguration()
    configuration.sealer = configuration.accounts[0].key
    let sealed = TestChain(configuration)
    let signer = json(sealed.account(0).address)
    let block = sealed.chain.mine()
    #expect(try await sealed.client.request("clique_getSigners") == [signer])
    #expect(try await sealed.client.request("clique_getSigner", ["latest"]) == signer)
    let snapshot = try await sealed.client.request(
      "clique_getSnapshotAtHash", [.string(block.hash.hex)])
    #expect(snapshot["number"] == 1 && snapshot["recents"]?["1"] == signer)
    #expect(try await sealed.client.request("clique_status")["numBlocks"] == 0)
    #expect(
      try await sealed.failure("clique_getSnapshot", "0x9") == .refused("unknown block"))
  }
}
