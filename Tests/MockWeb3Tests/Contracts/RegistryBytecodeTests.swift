import AsyncPrimitives
import EthereumClient
import EthereumPrimitives
import Foundation
import MockWeb3
import PlumiseWire
import TestSupport
import TestVectors
import Testing

@Suite("The native AgentRegistry and the real one", .timeLimit(.minutes(10)))
struct RegistryBytecodeTests {
  /// How many steps a run has; all runs together have 10 000.
  private static let steps = 1000

  @Test("Random calls have the same results, reverts, events, gas and answers", arguments: 0..<10)
  func randomCalls(seed: UInt64) async throws {
    var random = SeededGenerator(seed: seed)
    let network = TestChain()
    let native = PlumiseNetwork.Contract.agentRegistry
    let real = try await deploy(on: network)
    network.chain.setMining(.manual)
    for step in 0..<Self.steps {
      let index = [0, 1, 2, 3, 9].randomElement(using: &random) ?? 0
      let sender = network.account(index)
      let data = call(on: network, &random)
      let value: Word = Int.random(in: 0..<40, using: &random) == 0 ? 1 : 0
      if Int.random(in: 0..<8, using: &random) == 0 {
        network.chain.increaseTime(by: .random(in: 1...400, using: &random))
      }
      let nonce = network.chain.nonce(of: sender.address)
      // In one block, so that both see one time.
      let sent = [native, real].enumerated().map { offset, contract in
        network.transaction(
          from: sender, nonce: nonce + UInt64(offset), gas: 1_000_000, to: contract, value: value,
          data: data)
      }
      for transaction in sent { _ = try await network.client.send(transaction) }
      network.chain.mine(1)
      let receipts = try sent.map { try #require(network.chain.receipt(of: $0.hash)) }
      let text = Comment(rawValue: "seed \(seed), step \(step), call \(Hex.encode(data))")
      #expect(receipts[0].succeeded == receipts[1].succeeded, text)
      #expect(receipts[0].output == receipts[1].output, text)
      #expect(receipts[0].logs.map(\.topics) == receipts[1].logs.map(\.topics), text)
      #expect(receipts[0].logs.map(\.data) == receipts[1].logs.map(\.data), text)
      // Of malformed calls the gas is known roughly.
      if receipts[1].succeeded || !receipts[1].output.isEmpty {
        #expect(receipts[0].gasUsed == receipts[1].gasUsed, text)
      }
      let question = view(on: network, &random)
      let answers = try await [
        network.client.call(to: native, data: question),
        network.client.call(to: real, data: question),
      ]
      #expect(answers[0] == answers[1], "seed \(seed), step \(step), view \(Hex.encode(question))")
      let slot = slot(on: network, &random)
      let values = try await [
        network.client.request(
          "eth_getStorageAt", [.string(native.lowercaseHex), .string(slot.hex), "latest"]),
        network.client.request(
          "eth_getStorageAt", [.string(real.lowercaseHex), .string(slot.hex), "latest"]),
      ]
      #expect(values[0] == values[1], "seed \(seed), step \(step), slot \(slot.hex)")
    }
  }

  @Test("With the owner's slot in an access list both use the same gas")
  func warmOwner() async throws {
    let network = TestChain()
    let native = PlumiseNetwork.Contract.agentRegistry
    let real = try await deploy(on: network)
    let owner = network.oracle
    let calls = [
      ABI.call("owner()"), ABI.call("slashAgent(address)", [.address(owner.address)]),
      ABI.call("transferOwnership(address)", [.address(.zero)]),
      ABI.call("transferOwnership(address)", [.address(owner.address)]),
      ABI.call("renounceOwnership()"),
    ]
    for data in calls {
      var gas: [UInt64] = []
      for contract in [native, real] {
        let entry = AccessListEntry(address: contract, storageKeys: [.zero])
        for list in [[], [entry]] as [[AccessListEntry]] {
          let snapshot = network.chain.snapshot()
          let sent = network.transaction(
            from: owner, fee: .accessList(gasPrice: 2_000_000_000, list), to: contract, data: data)
          try await network.client.send(sent)
          gas.append(try #require(network.chain.receipt(of: sent.hash)).gasUsed)
          #expect(network.chain.revert(to: snapshot))
        }
      }
      #expect(Array(gas[..<2]) == Array(gas[2...]), "\(Hex.encode(data))")
      // An account and a key cost 4300 to name, a warm slot 2000 less.
      #expect(gas[1] == gas[0] + 2_300, "\(Hex.encode(data))")
    }
  }

  /// A slot that the contract may have written (Solidity, "Layout of State Variables in Storage").
  private func slot(on network: TestChain, _ random: inout SeededGenerator) -> Hash32 {
    func hash(_ words: Word...) -> Word {
      Keccak256.hash(words.flatMap(\.bigEndianBytes)).word
    }
    let first = hash(agent(on: network, &random).word, 1)
    let offset = Word(UInt64.random(in: 0...7, using: &random))
    let slots: [Word] = [
      offset, first + offset, first + 2, hash(first + 2) + offset, hash(2) + offset,
    ]
    return Hash32(word: slots.randomElement(using: &random) ?? 0)
  }

  /// Creates the real contract; its owner is the native one's.
  private func deploy(on network: TestChain) async throws -> Address {
    let file = try JSON.parse(
      [UInt8](Data(contentsOf: TestVectors.evm.appending(path: "plumise-contracts.json"))))
    let contract = try #require(
      file["contracts"]?.arrayValue?.first { $0["contract"]?.stringValue == "AgentRegistry" })
    let owner = network.oracle
    let transaction = Transaction(
      chainID: network.chain.configuration.rules.chainID, nonce: 0,
      fee: .legacy(gasPrice: 2_000_000_000), gasLimit: 10_000_000, to: nil,
      data: try Hex.decode(try #require(contract["creationInput"]?.stringValue))
    ).signed(with: owner.key)
    let hash = try await network.client.send(transaction)
    let receipt = try #require(network.chain.receipt(of: hash))
    #expect(receipt.succeeded)
    let address = try #require(receipt.contractAddress)
    #expect(
      try await network.client.call(to: address, data: ABI.call("owner()"))
        == ABI.word(owner.address))
    return address
  }

  private func agent(on network: TestChain, _ random: inout SeededGenerator) -> Address {
    network.account(Int.random(in: 0...4, using: &random)).address
  }

  /// An account that sends calls, or nobody, whom Ownable refuses.
  private func nextOwner(on network: TestChain, _ random: inout SeededGenerator) -> Address {
    if Int.random(in: 0..<6, using: &random) == 0 { return .zero }
    return network.account([0, 1, 2, 3, 9].randomElement(using: &random) ?? 0).address
  }

  private func metadata(_ random: inout SeededGenerator) -> String {
    String(repeating: "m", count: [0, 1, 5, 31, 32, 33, 100].randomElement(using: &random) ?? 0)
  }

  /// A call that changes the state, or one that is malformed.
  private func call(on network: TestChain, _ random: inout SeededGenerator) -> [UInt8] {
    var data: [UInt8]
    switch Int.random(in: 0..<13, using: &random) {
    case 0...2:
      let id = Hash32(word: Word(UInt64.random(in: 0...3, using: &random)))
      data = AgentRegistryCall.registerAgent(nodeID: id, metadata: metadata(&random)).input
    case 3, 4: data = AgentRegistryCall.heartbeat.input
    case 5:
      data = ABI.call("updateMetadata(string)", [.string(metadata(&random))])
    case 6: data = ABI.call("deregisterAgent()")
    case 7, 8:
      data = ABI.call("slashAgent(address)", [.address(agent(on: network, &random))])
    case 9, 10:
      data = ABI.call("transferOwnership(address)", [.address(nextOwner(on: network, &random))])
    case 11:
      // Seldom, for nobody may slash afterwards.
      let isRenunciation = Int.random(in: 0..<20, using: &random) == 0
      data = ABI.call(isRenunciation ? "renounceOwnership()" : "owner()")
    default:
      data = (0..<Int.random(in: 0...8, using: &random)).map { _ in
        UInt8.random(in: 0...255, using: &random)
      }
    }
    if !data.isEmpty, Int.random(in: 0..<12, using: &random) == 0 {
      data.removeLast(Int.random(in: 1...min(data.count, 40), using: &random))
    }
    return data
  }

  private func view(on network: TestChain, _ random: inout SeededGenerator) -> [UInt8] {
    let agent = ABIValue.address(agent(on: network, &random))
    let views: [[UInt8]] = [
      ABI.call("getAgent(address)", [agent]), ABI.call("isActive(address)", [agent]),
      ABI.call("isRegistered(address)", [agent]), ABI.call("getAllAgents()"),
      ABI.call("getTotalAgentCount()"), ABI.call("getActiveAgents()"),
      ABI.call("getActiveAgentCount()"), ABI.call("HEARTBEAT_TIMEOUT()"),
      ABI.call("owner()"),
    ]
    return views.randomElement(using: &random) ?? []
  }
}
