import EthereumClient
import EthereumPrimitives
import Foundation
import MockServing
import MockWeb3
import PlumiseWire
import Synchronization
import SystemErrors
import TestSupport
import Testing

@Suite("The beginning and the end of a fork", .timeLimit(.minutes(5)))
struct ForkControlTests {
  let fixture = ForkFixture()
  var remote: TestChain { fixture.remote }

  @Test("anvil_reset forks, forks again at another block, and ends the fork")
  func reset() async throws {
    remote.chain.mine(5)
    try await remote.chain.withServer { address in
      let chain = TestChain()
      func info() async throws -> JSON {
        try #require(try await chain.client.request("anvil_nodeInfo")["forkConfig"])
      }
      let url = JSON.string(address.url)
      _ = try await chain.client.request(
        "anvil_reset", [["forking": ["jsonRpcUrl": url, "blockNumber": 3]]])
      #expect(try await chain.client.request("eth_blockNumber") == "0x3")
      let shown = try await info()
      #expect(shown["forkUrl"] == url && shown["forkBlockNumber"] == 3)
      _ = try await chain.client.request("evm_mine")
      _ = try await chain.client.request("hardhat_reset", [["forking": ["blockNumber": "0x2"]]])
      #expect(try await chain.client.request("eth_blockNumber") == "0x2")
      _ = try await chain.client.request("hardhat_reset", [["forking": [:]]])
      #expect(try await chain.client.request("eth_blockNumber") == "0x5")
      _ = try await chain.client.request("anvil_reset")
      #expect(try await chain.client.request("eth_blockNumber") == "0x0")
      #expect(try await info()["forkUrl"] == .null)
    }
  }

  @Test("Snapshots, rollbacks and reorganisations end at the block of the fork")
  func undoing() async throws {
    remote.chain.mine(2)
    try await fixture.withFork { fork in
      let snapshot = try await fork.client.request("evm_snapshot")
      _ = try await fork.client.request("anvil_mine", [3])
      #expect(try await fork.failure("anvil_rollback", 4) != nil)
      _ = try await fork.client.request("anvil_reorg", [3])
      _ = try await fork.client.request("anvil_rollback", [2])
      #expect(try await fork.client.request("eth_blockNumber") == "0x3")
      _ = try await fork.client.request("evm_revert", [snapshot])
      #expect(try await fork.client.request("eth_blockNumber") == "0x2")
      // More blocks than keep their states.
      _ = try await fork.client.request("anvil_mine", [300])
      #expect(
        try await fork.client.request("eth_getBlockByNumber", ["0x3", false])["number"] == "0x3")
      #expect(try await fork.client.request("eth_getLogs", [["fromBlock": "0x0"]]) == [])
    }
  }

  @Test("A fork that cannot be is refused, with the URL and what to do")
  func refusals() async throws {
    remote.chain.mine(300)
    try await remote.chain.withServer { address in
      let url = address.url
      await #expect(throws: ForkError.noSuchBlock(url: url, block: 400)) {
        _ = try await fixture.fork(url, at: 400)
      }
      // The remote chain keeps no states like an archive.
      let error = await #expect(throws: ForkError.self) { _ = try await fixture.fork(url, at: 1) }
      guard case .prunedState(url, "eth_getBalance", 1, let answer) = error else {
        Issue.record("\(String(describing: error))")
        return
      }
      #expect(answer.contains("missing trie node"))
      #expect(error?.description.contains("name an archive node, or fork at a later block") == true)
      let chain = TestChain()
      let failure = try await chain.failure("anvil_reset", ["forking": ["blockNumber": 1]])
      #expect(failure?.message.contains("the chain is not forked") == true)
      #expect(try await chain.failure("anvil_setRPCUrl", .string(url)) != nil)
      #expect(try await chain.failure("anvil_reset", ["forking": ["url": "x"]]) != nil)
    }
    try await withWebServer(MockWeb3.serverConfiguration(), respond: { _ in .text("hello") }) {
      address in
      let error = await #expect(throws: ForkError.self) {
        _ = try await fixture.fork(address.url)
      }
      #expect(error?.description.contains(address.url) == true)
    }
  }

  /// Serves the remote chain with a text of its answers replaced, and a fork of its latest block.
  private func withAlteredAnswers(
    _ text: String, by replacement: String, _ body: (TestChain, String) async throws -> Void
  ) async throws {
    let isAltered = Mutex(false)
    try await withWebServer(
      MockWeb3.serverConfiguration(),
      respond: { [chain = remote.chain] request in
        var answer = String(decoding: await chain.respond(to: request.body) ?? [], as: UTF8.self)
        if isAltered.withLock({ $0 }) { answer = answer.replacing(text, with: replacement) }
        return .json(Array(answer.utf8))
      }
    ) { address in
      let fork = try await fixture.fork(address.url)
      isAltered.withLock { $0 = true }
      try await body(fork, address.url)
    }
  }

  @Test("A malformed answer of the remote chain is an error, and not the answer for nothing")
  func malformedAnswers() async throws {
    remote.chain.mine(3)
    let hash = try #require(remote.chain.block(1)).hash.hex
    // BLOCKHASH of block 1, as the result.
    let call: JSON = ["data": "0x60014060005260206000f3"]
    try await withAlteredAnswers(hash, by: "0x12") { fork, url in
      let failure = try #require(try await fork.failure("eth_call", call))
      #expect(failure.message.contains("at \(url) answered eth_getBlockByNumber with"))
      // The same with a member of another type.
      #expect(try await fork.failure("eth_getBlockByNumber", "0x1", false) != nil)
    }
    try await withAlteredAnswers(#""number":"0x1""#, by: #""number":true"#) { fork, url in
      let failure = try #require(try await fork.failure("eth_getBlockByHash", .string(hash), true))
      #expect(failure.message.contains("at \(url) answered eth_getBlockByHash with"))
    }
    try await withAlteredAnswers(#""result":[]"#, by: #""result":7"#) { fork, url in
      let failure = try #require(try await fork.failure("eth_getLogs", ["fromBlock": "0x1"]))
      #expect(failure.message.contains("at \(url) answered eth_getLogs with 7"))
    }
    // Nothing of it was kept.
    try await withAlteredAnswers("nothing", by: "") { fork, _ in
      let value = try await fork.client.request("eth_call", [call])
      #expect(value == .string(hash))
    }
  }

  @Test("What a fork cannot do is refused by name")
  func limits() async throws {
    try await fixture.withFork { fork in
      let account = JSON.string(fixture.stranger.lowercaseHex)
      let proof = try await fork.failure("eth_getProof", account, [], "latest")
      #expect(proof?.message.contains("eth_getProof") == true)
      #expect(
        try await fork.client.request("eth_getProof", [account, [], "0x0"])
          == remote.client.request("eth_getProof", [account, [], "0x0"]))
      let dump = try await fork.failure("anvil_dumpState")
      #expect(dump?.message.contains("dumpState") == true)
      try await withTemporaryFolder { folder in
        let file = folder.appending(path: "chain")
        let configuration = fork.chain.configuration
        #expect(throws: FileError.self) { try MockWeb3(configuration, stateFile: file) }
        #expect(throws: FileError.self) { try fork.chain.dump(to: file) }
        #expect(!FileManager.default.fileExists(atPath: file.path))
      }
    }
  }

  @Test("Plumise's native contracts run here where the remote chain has no bytecode")
  func nativeContracts() async throws {
    try await fixture.withFork { fork in
      try await fork.registerActive(fork.account(1))
      #expect(fork.chain.isRegistered(fork.account(1).address))
    }
    #expect(!remote.chain.isRegistered(remote.account(1).address))
    let mainnet = TestChain(ChainConfiguration(profile: .mainnet2026))
    try await mainnet.chain.withServer { address in
      var configuration = ChainConfiguration()
      try await configuration.fork(from: address.url)
      let fork = TestChain(configuration)
      let registry = configuration.rules.registryAddress
      for chain in [fork, mainnet] {
        let call: JSON = ["to": .string(registry.lowercaseHex), "data": "0xc0cf28a9"]
        #expect(
          try await chain.client.request("eth_call", [call, "latest"])
            == .string(ForkFixture.word(0)))
      }
      let code = try await fork.client.request(
        "eth_getCode", [.string(registry.lowercaseHex), "latest"])
      #expect(code.stringValue.map { $0.utf8.count > 1000 } == true)
    }
  }
}
