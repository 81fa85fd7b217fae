import EthereumPrimitives
import Foundation
import PlumiseWire
import Subprocess
import TestSupport
import Testing

@Suite("petals-e2e chain", .timeLimit(.minutes(5)))
struct ChainCommandTests {
  /// An artifact of a contract that returns 42.
  private static let artifact =
    #"{"contractName":"Answer","abi":[],"bytecode":"0x600a600c600039600a6000f3602a60005260206000f3"}"#
  private static let genesis = """
    {"config":{"chainId":77,"shanghaiTime":0},"alloc":{"0x00000000000000000000000000000000000000c1":
      {"balance":"7","code":"0x60005460005260206000f3","storage":{"0x0":"0x9"}}}}
    """
  private static let contract = "0x00000000000000000000000000000000000000c1"

  /// Runs a chain on a free port while a body asks it.
  private func withChain(
    _ options: [String], _ body: @escaping @Sendable (Service) async throws -> Void
  ) async throws {
    let result = try await Command.withService(["chain", "--port", "0", "--json"] + options) {
      try await body($0)
      try $0.send(.terminate)
    }
    #expect(result.status == .exited(0), "\(result.errors)")
  }

  private static func ask(
    _ url: String, _ method: String, _ parameters: [JSON] = []
  ) async throws -> JSON {
    let answer = try await fetchRPC(url, method, parameters).json
    return try #require(answer["result"], "\(method): \(answer.text)")
  }

  private static func call(_ url: String, _ address: String) async throws -> JSON {
    try await ask(url, "eth_call", [["to": .string(address)], "latest"])
  }

  private static func word(_ value: Word) -> JSON { .string(Hash32(word: value).hex) }

  @Test("--genesis gives accounts with code, and an id and rules over which options win")
  func genesisFile() async throws {
    try await withTemporaryFolder { folder in
      let file = try folder.write("genesis.json", Array(Self.genesis.utf8))
      for (options, id, hasPush0) in [
        ([], "0x4d", true), (["--chain-id", "88", "--hardfork", "paris"], "0x58", false),
      ] as [([String], JSON, Bool)] {
        try await withChain(["--genesis", file] + options) { chain in
          let url = try await chain.url()
          #expect(try await Self.ask(url, "eth_chainId") == id)
          #expect(try await Self.call(url, Self.contract) == Self.word(9))
          #expect(
            try await Self.ask(url, "eth_getBalance", [.string(Self.contract), "latest"]) == "0x7")
          #expect(try await Self.ask(url, "eth_accounts").arrayValue?.count == 10)
          let push0 = try await fetchRPC(url, "eth_call", [["data": "0x5f5ff3"], "latest"]).json
          #expect((push0["result"] != nil) == hasPush0, "\(push0.text)")
        }
      }
      let broken = try folder.write("broken.json", Array("{}".utf8))
      try await Command.run("chain", "--port", "0", "--genesis", broken)
        .expectRefusal(broken, "alloc")
    }
  }

  @Test("--deploy creates contracts, whose names and addresses are told")
  func deploy() async throws {
    try await withTemporaryFolder { folder in
      let file = try folder.write("Answer.json", Array(Self.artifact.utf8))
      try await withChain(["--deploy", file, "--deploy", file]) { chain in
        let event = try await chain.event("listening")
        let contracts = try #require(event["contracts"]?.arrayValue)
        #expect(contracts.map { $0["name"] } == ["Answer", "Answer"])
        let addresses = contracts.compactMap { $0["address"]?.stringValue }
        #expect(Set(addresses).count == 2)
        let url = try await chain.url()
        for address in addresses {
          #expect(try await Self.call(url, address) == Self.word(42))
        }
      }
      let reverting = try folder.write(
        "Broken.json", Array(#"{"bytecode":"0x60006000fd"}"#.utf8))
      try await Command.run("chain", "--port", "0", "--deploy", reverting)
        .expectRefusal("--deploy", "Broken", "execution reverted")
    }
  }

  @Test("--fork-url begins with another chain's block, and changes nothing there")
  func fork() async throws {
    try await withTemporaryFolder { folder in
      let file = try folder.write("Answer.json", Array(Self.artifact.utf8))
      try await withChain(["--deploy", file]) { origin in
        let url = try await origin.url()
        let event = try await origin.event("listening")
        let address = try #require(event["contracts"]?[0]?["address"]?.stringValue)
        for _ in 0..<3 { _ = try await Self.ask(url, "evm_mine") }
        let forks: [(options: [String], height: JSON, next: JSON)] = [
          ([], "0x3", "0x4"), (["--fork-block-number", "1"], "0x1", "0x2"),
        ]
        for (options, height, next) in forks {
          try await withChain(["--fork-url", url] + options) { fork in
            let own = try await fork.url()
            #expect(try await Self.ask(own, "eth_blockNumber") == height)
            #expect(try await Self.ask(own, "eth_chainId") == "0xa3e4")
            #expect(try await Self.call(own, address) == Self.word(42))
            _ = try await Self.ask(own, "evm_mine")
            #expect(try await Self.ask(own, "eth_blockNumber") == next)
          }
        }
        #expect(try await Self.ask(url, "eth_blockNumber") == "0x3")
      }
      for option in ["--genesis", "--deploy", "--state"] {
        try await Command.run(
          "chain", "--port", "0", "--fork-url", "http://127.0.0.1:9", option, file
        ).expectRefusal(option, "--fork-url")
      }
    }
    try await Command.run("chain", "--port", "0", "--fork-url", "http://127.0.0.1:9")
      .expectRefusal("--fork-url", "127.0.0.1:9")
    try await Command.run("chain", "--port", "0", "--fork-block-number", "1")
      .expectRefusal("--fork-block-number", "--fork-url")
  }

  @Test(
    "--hardfork selects the instructions: PUSH0 is Shanghai's, MCOPY Cancun's",
    arguments: [
      (nil, false, false), ("london", false, false), ("paris", false, false),
      ("shanghai", true, false), ("cancun", true, true),
    ] as [(name: String?, hasPush0: Bool, hasMcopy: Bool)])
  func hardfork(name: String?, hasPush0: Bool, hasMcopy: Bool) async throws {
    try await withChain(name.map { ["--hardfork", $0] } ?? []) { chain in
      let url = try await chain.url()
      for (code, isThere) in [("0x5f5ff3", hasPush0), ("0x6000600060005e60006000f3", hasMcopy)] {
        let answer = try await fetchRPC(url, "eth_call", [["data": .string(code)], "latest"]).json
        #expect((answer["result"] != nil) == isThere, "\(code): \(answer.text)")
      }
    }
  }

  @Test("A hard fork that is not known is refused")
  func unknownHardfork() async throws {
    try await Command.run("chain", "--port", "0", "--hardfork", "osaka")
      .expectRefusal("--hardfork", "osaka")
  }

  @Test("--profile mainnet2026 has the main network's bytecode, the default one native contracts")
  func mainnet() async throws {
    let registry = JSON.string(PlumiseNetwork.Contract.agentRegistry.lowercaseHex)
    let manager = JSON.string(PlumiseNetwork.Contract.challengeManager.lowercaseHex)
    try await withChain(["--profile", "mainnet2026"]) { chain in
      let url = try await chain.url()
      // The lengths of the runtime codes in the deployment's records.
      for (address, length) in [(registry, 9786), (manager, 11_409)] {
        let code = try await Self.ask(url, "eth_getCode", [address, "latest"])
        #expect(code.stringValue?.count == 2 + 2 * length)
      }
    }
    try await withChain([]) { chain in
      let url = try await chain.url()
      #expect(try await Self.ask(url, "eth_getCode", [registry, "latest"]) == "0xfe")
      #expect(try await Self.ask(url, "eth_getCode", [manager, "latest"]) == "0x")
    }
  }
}
