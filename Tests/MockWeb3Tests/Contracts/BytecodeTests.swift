import EVM
import EthereumClient
import EthereumPrimitives
import Foundation
import MockWeb3
import PlumiseWire
import TestSupport
import TestVectors
import Testing

@Suite("Bytecode on the chain", .timeLimit(.minutes(5)))
struct BytecodeTests {
  let network = TestChain()
  var sender: DevelopmentAccount { network.account(0) }

  private func ask(_ method: String, _ parameters: JSON...) async throws -> JSON {
    try await network.client.request(method, parameters)
  }

  private func address(_ address: Address) -> JSON { .string(address.lowercaseHex) }

  @Test(
    "Plumise's contracts are created with the gas, the code and the events of the live chain",
    arguments: ["AgentRegistry", "ChallengeManager", "InferencePayment"])
  func plumiseContracts(name: String) async throws {
    let file = try JSON.parse(
      [UInt8](Data(contentsOf: TestVectors.evm.appending(path: "plumise-contracts.json"))))
    let contract = try #require(
      file["contracts"]?.arrayValue?.first { $0["contract"]?.stringValue == name })
    let code = try Hex.decode(try #require(contract["creationInput"]?.stringValue))
    let receipt = try await network.create(code, from: sender, gas: 10_000_000)
    #expect(receipt.succeeded)
    let gas = try Quantity.decode(try #require(contract["gasUsed"]?.stringValue))
    #expect(Word(receipt.gasUsed) == gas)
    let created = Address.ofContract(createdBy: sender.address, nonce: 0)
    let json = try await ask("eth_getTransactionReceipt", .string(receipt.transactionHash.hex))
    #expect(json["contractAddress"] == address(created))
    let deployed = try Hex.decode(
      try #require(try await ask("eth_getCode", address(created), "latest").stringValue))
    #expect(Keccak256.hash(deployed).hex == contract["runtimeCodeHash"]?.stringValue)
    #expect(receipt.logs.map(\.topics.first?.hex) == (try topics(of: contract)))
    #expect(network.chain.nonce(of: created) == 1)
  }

  private func topics(of contract: JSON) throws -> [String?] {
    try #require(contract["logs"]?.arrayValue).map { $0["topics"]?.arrayValue?.first?.stringValue }
  }

  @Test("Storage is read by slot, proven against the state root, and undone with its block")
  func storage() async throws {
    let store = try await network.deploy(TestCode.store, from: sender)
    let before = network.chain.latestBlock.header.stateRoot
    let snapshot = network.chain.snapshot()
    let word = ABI.word(0x1234 as Word)
    try await network.send(word, to: store, from: sender)
    #expect(
      try await ask("eth_getStorageAt", address(store), "0x0", "latest")
        == .string(Hex.encode(word))
    )
    let proof = try await ask("eth_getProof", address(store), ["0x0", "0x1"], "latest")
    let root = network.chain.latestBlock.header.stateRoot
    #expect(root != before)
    let account = try #require(
      try TrieProof(proof["accountProof"]).value(of: store.bytes, root: root))
    guard case .list(let fields) = try RLP.decode(account) else {
      Issue.record("the account is no list: \(Hex.encode(account))")
      return
    }
    let storageHash = try #require(proof["storageHash"]?.stringValue)
    #expect(fields[2] == .bytes(try Hex.decode(storageHash)))
    #expect(fields[3] == .bytes(Keccak256.hash(TestCode.store).bytes))
    let slots = try #require(proof["storageProof"]?.arrayValue)
    #expect(slots.map { $0["value"] } == ["0x1234", "0x0"])
    let slot = Word.zero.bigEndianBytes
    #expect(
      try TrieProof(slots[0]["proof"]).value(of: slot, root: Hash32(storageHash))
        == [0x82, 0x12, 0x34])
    #expect(network.chain.revert(to: snapshot))
    #expect(
      try await ask("eth_getStorageAt", address(store), "0x0", "latest")
        == .string(Hash32.zero.hex))
  }

  @Test("A contract registers an agent through 0x21, unless it reverts afterwards")
  func nestedRegistration() async throws {
    let forwarder = try await network.deploy(TestCode.forwarder(to: 0x21), from: sender)
    let input = PrecompileCall.registration(
      AgentRegistration(name: "contract", modelHash: .zero)
    ).input
    let reverted = try await network.send(input, to: forwarder, from: sender, value: 1)
    #expect(!reverted.succeeded)
    #expect(network.chain.agent(forwarder) == nil)
    #expect(network.chain.balance(of: forwarder).isZero)
    #expect(try await network.send(input, to: forwarder, from: sender).succeeded)
    #expect(network.chain.agent(forwarder)?.metadata == "contract")
  }

  @Test("A static call of 0x21 fails and registers nobody")
  func staticRegistration() async throws {
    let caller = try await network.deploy(TestCode.staticCaller(of: 0x21), from: sender)
    let input = PrecompileCall.registration(
      AgentRegistration(name: "contract", modelHash: .zero)
    ).input
    #expect(try await network.send(input, to: caller, from: sender).succeeded)
    #expect(network.chain.agent(caller) == nil)
    // The contract writes 1 where the call failed.
    #expect(
      try await ask("eth_getStorageAt", address(caller), "0x0", "latest")
        == .string(Hex.encode(ABI.word(1 as Word))))
  }

  @Test("A contract's call of the native AgentRegistry runs with the contract as its sender")
  func nestedContractCall() async throws {
    let registry = PlumiseNetwork.Contract.agentRegistry
    let forwarder = try await network.deploy(TestCode.forwarder(to: registry), from: sender)
    let call = AgentRegistryCall.registerAgent(nodeID: Keccak256.hash("n"), metadata: "m")
    let receipt = try await network.send(call.input, to: forwarder, from: sender)
    #expect(receipt.logs.map(\.address) == [registry])
    #expect(network.chain.isRegistered(forwarder))
    #expect(!network.chain.isRegistered(sender.address))
  }

  @Test("Code that fails uses all gas, and code that reverts what it ran")
  func failures() async throws {
    let invalid = try await network.deploy([0xfe], from: sender)
    let failed = try await network.send(to: invalid, from: sender)
    #expect(!failed.succeeded && failed.gasUsed == 300_000)
    let reverting = try await network.deploy([0x60, 0, 0x60, 0, 0xfd], from: sender)
    let reverted = try await network.send(to: reverting, from: sender)
    #expect(!reverted.succeeded && reverted.gasUsed == 21_006)
    #expect(
      try await network.failure("eth_call", ["to": address(invalid)], "latest")
        == .refused("invalid opcode: INVALID"))
  }

  @Test("An estimate suffices, and is at most 1.5 % above the gas that is used")
  func estimates() async throws {
    let store = try await network.deploy(TestCode.store, from: sender)
    let data = ABI.word(5 as Word)
    let gas = try await network.client.estimateGas(to: store, data: data, from: sender.address)
    let hash = try await network.client.send(
      network.transaction(from: sender, gas: gas, to: store, data: data))
    let receipt = try #require(try await network.client.receipt(of: hash))
    #expect(receipt.succeeded)
    #expect(gas >= receipt.gasUsed && Double(gas) <= Double(receipt.gasUsed) * 1.016)
    let creation = try await ask(
      "eth_estimateGas", ["data": .string(Hex.encode(TestCode.creation(of: [0])))])
    #expect(try Quantity.decode(try #require(creation.stringValue)) > 53_000)
  }

  @Test("BLOCKHASH is the hash of an earlier block, and zero of the block itself")
  func blockHash() async throws {
    let contract = try await network.deploy(TestCode.blockHash, from: sender)
    network.chain.mine(300)
    let number = network.chain.blockNumber
    let expected: [(UInt64, Hash32)] = [
      (number - 1, network.chain.latestBlock.header.parentHash), (number, .zero),
      (number - 257, .zero),
    ]
    for (height, hash) in expected {
      #expect(
        try await network.client.call(to: contract, data: ABI.word(Word(height))) == hash.bytes)
    }
  }

  @Test(
    "PUSH0 is an instruction from Shanghai on",
    arguments: [(Hardfork.london, false), (.paris, false), (.shanghai, true), (.cancun, true)])
  func hardfork(fork: Hardfork, succeeds: Bool) async throws {
    var configuration = ChainConfiguration()
    configuration.rules.hardfork = fork
    let network = TestChain(configuration)
    let receipt = try await network.create([0x5f, 0x5f, 0xf3], from: sender)
    #expect(receipt.succeeded == succeeds)
  }

  @Test("Contracts survive a dump to a file")
  func persistence() async throws {
    let store = try await network.deploy(TestCode.store, from: sender)
    try await network.send(ABI.word(7 as Word), to: store, from: sender)
    let root = network.chain.latestBlock.header.stateRoot
    try await withTemporaryFolder { folder in
      let file = folder.appending(path: "chain.jsonl")
      try network.chain.dump(to: file)
      let other = TestChain()
      try other.chain.load(from: file)
      #expect(other.chain.latestBlock.header.stateRoot == root)
      let slot = try await other.client.request(
        "eth_getStorageAt", [address(store), "0x0", "latest"])
      #expect(slot == .string(Hex.encode(ABI.word(7 as Word))))
    }
  }

  @Test("Tips go to the coinbase, and base fees to nobody")
  func fees() async throws {
    var configuration = ChainConfiguration()
    let coinbase = Address.precompile(0xc0)
    configuration.rules.coinbase = coinbase
    let network = TestChain(configuration)
    let store = try await network.deploy(TestCode.store, from: sender)
    for (recipient, data) in [(store, ABI.word(1 as Word)), (.precompile(0xbb), [])] {
      let before = network.chain.balance(of: coinbase)
      let receipt = try await network.send(data, to: recipient, from: sender)
      let baseFee = network.chain.latestBlock.header.baseFeePerGas
      #expect(!baseFee.isZero && receipt.effectiveGasPrice > baseFee)
      #expect(
        network.chain.balance(of: coinbase) - before
          == Word(receipt.gasUsed) * (receipt.effectiveGasPrice - baseFee))
    }
  }
}

/// Pieces of bytecode.
private enum TestCode {
  /// Writes the input's first word into slot 0.
  static let store: [UInt8] = [0x60, 0, 0x35, 0x60, 0, 0x55, 0x00]
  /// Returns the hash of the block whose number the input's first word is.
  static let blockHash: [UInt8] = [
    0x60, 0, 0x35, 0x40, 0x60, 0, 0x52, 0x60, 0x20, 0x60, 0, 0xf3,
  ]

  /// Calls a contract with the input it gets itself, then reverts if value came with the call.
  static func forwarder(to target: Address) -> [UInt8] {
    // CALLDATACOPY(0, 0, CALLDATASIZE); CALL(GAS, target, 0, 0, CALLDATASIZE, 0, 0)
    let call: [UInt8] =
      [0x36, 0x60, 0, 0x60, 0, 0x37, 0x60, 0, 0x60, 0, 0x36, 0x60, 0, 0x60, 0, 0x73]
      + target.bytes + [0x5a, 0xf1, 0x50]
    let revert = UInt8(call.count + 5)
    return call + [0x34, 0x60, revert, 0x57, 0x00, 0x5b, 0x60, 0, 0x60, 0, 0xfd]
  }

  static func forwarder(to target: UInt8) -> [UInt8] { forwarder(to: .precompile(target)) }

  /// Calls a precompile with STATICCALL, and writes 1 into slot 0 if that fails.
  static func staticCaller(of target: UInt8) -> [UInt8] {
    [
      0x36, 0x60, 0, 0x60, 0, 0x37, 0x60, 0, 0x60, 0, 0x36, 0x60, 0, 0x60, target,
      // 20 000 gas, all of which the failing call uses.
      0x61, 0x4e, 0x20, 0xfa, 0x15, 0x60, 0, 0x55, 0x00,
    ]
  }

  /// Init code that returns some code.
  static func creation(of code: [UInt8]) -> [UInt8] {
    let count = UInt8(code.count)
    return [0x60, count, 0x60, 12, 0x60, 0, 0x39, 0x60, count, 0x60, 0, 0xf3] + code
  }
}

extension TestChain {
  /// Sends init code and gives its receipt.
  fileprivate func create(
    _ initCode: [UInt8], from account: DevelopmentAccount, gas: UInt64 = 1_000_000
  ) async throws -> Receipt {
    let transaction = Transaction(
      chainID: chain.configuration.rules.chainID, nonce: chain.nonce(of: account.address),
      fee: .legacy(gasPrice: 2_000_000_000), gasLimit: gas, to: nil, data: initCode
    ).signed(with: account.key)
    let hash = try await client.send(transaction)
    guard let receipt = try await client.receipt(of: hash) else { throw NotMined(hash: hash) }
    return receipt
  }

  /// Creates a contract with some code.
  fileprivate func deploy(_ code: [UInt8], from account: DevelopmentAccount) async throws -> Address
  {
    let nonce = chain.nonce(of: account.address)
    let receipt = try await create(TestCode.creation(of: code), from: account)
    #expect(receipt.succeeded)
    return .ofContract(createdBy: account.address, nonce: nonce)
  }
}

/// The nodes that prove a value of a secure trie, followed from the root.
private struct TrieProof {
  let nodes: [[UInt8]]

  init(_ json: JSON?) throws {
    nodes = try #require(json?.arrayValue).map { try Hex.decode(try #require($0.stringValue)) }
  }

  /// The value of a key; nil where the nodes do not lead to one.
  func value(of key: [UInt8], root: Hash32) throws -> [UInt8]? {
    var expected = root
    var path = Nibbles.of(Keccak256.hash(key).bytes)[...]
    for node in nodes {
      guard Keccak256.hash(node) == expected, case .list(let items) = try RLP.decode(node) else {
        return nil
      }
      var next = items[items.count - 1]
      if items.count == 17 {
        guard let digit = path.popFirst() else { return nil }
        next = items[Int(digit)]
      } else if case .bytes(let prefix) = items[0] {
        let digits = Nibbles.of(prefix)
        let own = digits.dropFirst(digits[0] & 1 == 1 ? 1 : 2)
        guard path.starts(with: own) else { return nil }
        path = path.dropFirst(own.count)
      }
      guard case .bytes(let bytes) = next else { return nil }
      if path.isEmpty { return bytes }
      expected = try Hash32(bytes: bytes)
    }
    return nil
  }
}
