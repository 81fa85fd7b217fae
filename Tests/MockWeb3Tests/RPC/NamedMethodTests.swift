import EthereumClient
import EthereumPrimitives
import MockWeb3
import PlumiseWire
import TestSupport
import Testing

@Suite("Methods by name", .timeLimit(.minutes(5)))
struct NamedMethodTests {
  let network = TestChain()
  var sender: DevelopmentAccount { network.account(0) }
  private var address: JSON { .string(sender.address.lowercaseHex) }
  private let registry = JSON.string(PlumiseNetwork.Contract.agentRegistry.lowercaseHex)

  private func ask(_ method: String, _ parameters: JSON...) async throws -> JSON {
    try await network.client.request(method, parameters)
  }

  @Test("The chain says who it is")
  func identity() async throws {
    #expect(try await ask("web3_clientVersion") == "PlumiseMockWeb3/v1.13.15-stable/swift")
    #expect(
      try await ask("web3_sha3", "0x68656c6c6f20776f726c64")
        == "0x47173285a8d7341e5e972fc677286384f802f8ef42a5ec5f03bbfa254cb01fad")
    #expect(try await ask("net_version") == "41956")
    #expect(try await ask("net_listening") == true)
    #expect(try await ask("net_peerCount") == "0x0")
    #expect(try await ask("eth_syncing") == false)
    #expect(try await ask("eth_mining") == true)
    #expect(
      try await ask("eth_accounts")
        == .array(DevelopmentAccount.standard.map { .string($0.address.lowercaseHex) }))
    let modules = try await ask("rpc_modules").objectValue
    #expect(
      modules?.keys.map(\.self) == [
        "agent", "anvil", "clique", "debug", "eth", "evm", "hardhat", "net", "personal", "plumise",
        "rpc", "txpool", "web3",
      ])
    #expect(modules?.members.allSatisfy { $0.value == "1.0" } == true)
  }

  @Test("Contracts have code, precompiles and people have none")
  func code() async throws {
    let code = try #require(try await ask("eth_getCode", registry, "latest").stringValue)
    #expect(code.hasPrefix("0x") && code.count > 2)
    #expect(
      try await ask("eth_getCode", "0x0000000000000000000000000000000000000021", "latest") == "0x")
    #expect(try await ask("eth_getCode", address, "latest") == "0x")
  }

  @Test(
    "Storage is read at any slot, written as geth takes it",
    arguments: ["0x0", "0x", "", "0", "0X1f", "0x" + String(repeating: "f", count: 64), "abc"])
  func storage(slot: String) async throws {
    // Slot 0 is the registry's owner.
    let isFirst = ["0x0", "0x", "", "0"].contains(slot)
    let expected = isFirst ? network.chain.configuration.rules.registryOwner.word : .zero
    #expect(
      try await ask("eth_getStorageAt", registry, .string(slot), "latest")
        == .string(Hash32(word: expected).hex))
    #expect(
      try await ask("eth_getStorageAt", address, .string(slot), "latest")
        == .string(Hash32.zero.hex))
  }

  @Test(
    "A slot that is none is refused in geth's words",
    arguments: [
      ("0xzz", "hex string invalid"), ("slot", "hex string invalid"),
      ("0x" + String(repeating: "0", count: 65), "hex string too long, want at most 32 bytes"),
    ])
  func malformedSlot(slot: String, reason: String) async throws {
    #expect(
      try await network.failure("eth_getStorageAt", registry, .string(slot), "latest")
        == .refused("unable to decode storage key: \(reason)"))
  }

  @Test("A block's transactions are counted, and found by their positions")
  func positions() async throws {
    network.chain.setMining(.manual)
    let sent = (0..<3 as Range<UInt64>).map {
      network.transaction(from: sender, nonce: $0, to: .precompile(0x23))
    }
    for transaction in sent { try await network.client.send(transaction) }
    let block = network.chain.mine()
    let (number, hash) = (JSON.string("0x1"), JSON.string(block.hash.hex))
    let names = ["Number", "Hash"]
    for (name, reference) in zip(names, [number, hash]) {
      #expect(try await ask("eth_getBlockTransactionCountBy\(name)", reference) == "0x3")
      #expect(try await ask("eth_getUncleCountByBlock\(name)", reference) == "0x0")
      for (index, transaction) in sent.enumerated() {
        let found = try await ask(
          "eth_getTransactionByBlock\(name)AndIndex", reference,
          .string(Quantity.encode(UInt64(index))))
        #expect(
          try await found == ask("eth_getTransactionByHash", .string(transaction.hash.hex)))
        #expect(found["hash"] == .string(transaction.hash.hex))
        #expect(found["transactionIndex"] == .string(Quantity.encode(UInt64(index))))
      }
      #expect(
        try await ask("eth_getTransactionByBlock\(name)AndIndex", reference, "0x3") == .null)
    }
    for (name, unknown) in zip(names, ["0x9", Hash32.zero.hex].map { JSON.string($0) }) {
      #expect(try await ask("eth_getBlockTransactionCountBy\(name)", unknown) == .null)
      #expect(
        try await ask("eth_getTransactionByBlock\(name)AndIndex", unknown, "0x0") == .null)
    }
  }
}
