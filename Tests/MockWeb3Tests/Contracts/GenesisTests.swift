import EVM
import EthereumClient
import EthereumPrimitives
import Foundation
import MockWeb3
import PlumiseWire
import TestSupport
import Testing

@Suite("Chains that begin with contracts", .timeLimit(.minutes(5)))
struct GenesisTests {
  private func read<R>(
    _ text: String, _ body: (URL) throws -> R
  ) async throws -> R {
    try await withTemporaryFolder { folder in
      let file = folder.appending(path: "Answer.json")
      try Data(text.utf8).write(to: file)
      return try body(file)
    }
  }

  /// Runtime code that returns 42, behind init code that returns it.
  private let answer = "0x600a600c600039600a6000f3602a60005260206000f3"

  @Test("A genesis file gives accounts, code, storage and the chain's id")
  func genesisFile() async throws {
    let text = """
      {"config":{"chainId":77,"londonBlock":0},"gasLimit":"0x1c9c380","timestamp":"0x5",
       "alloc":{"00000000000000000000000000000000000000c1":{"balance":"1000",
         "code":"0x60005460005260206000f3","nonce":"0x3",
         "storage":{"0x00":"0x0000000000000000000000000000000000000000000000000000000000000009"}},
       "0x00000000000000000000000000000000000000c2":{"balance":"0x10"}}}
      """
    let genesis = try await read(text) { try GenesisFile(contentsOf: $0) }
    var configuration = ChainConfiguration()
    configuration.apply(genesis)
    let network = TestChain(configuration)
    let contract = Address.precompile(0xc1)
    #expect(network.chain.balance(of: contract) == 1000 && network.chain.nonce(of: contract) == 3)
    #expect(network.chain.balance(of: .precompile(0xc2)) == 16)
    #expect(try await network.client.call(to: contract, data: []) == ABI.word(9 as Word))
    #expect(try await network.client.request("eth_chainId") == "0x4d")
    #expect(network.chain.latestBlock.header.timestamp == 5)
  }

  @Test(
    "The hard fork is the latest one of the config that is in force in the first block",
    arguments: [
      (#""chainId":1"#, nil), (#""homesteadBlock":0"#, .london),
      (#""londonBlock":0,"shanghaiTime":6"#, .london),
      (#""londonBlock":0,"shanghaiTime":5"#, .shanghai),
      (#""terminalTotalDifficulty":0"#, .paris), (#""terminalTotalDifficulty":"0x1""#, nil),
      (#""mergeNetsplitBlock":0,"cancunTime":null"#, .paris),
      (#""shanghaiTime":0,"cancunTime":"0x0""#, .cancun), (#""pragueTime":1"#, .cancun),
    ] as [(String, Hardfork?)])
  func hardforks(config: String, hardfork: Hardfork?) async throws {
    let text = #"{"config":{\#(config)},"timestamp":"0x5","alloc":{}}"#
    let genesis = try await read(text) { try GenesisFile(contentsOf: $0) }
    #expect(genesis.hardfork == hardfork)
    var configuration = ChainConfiguration()
    configuration.rules.hardfork = .paris
    configuration.apply(genesis)
    #expect(configuration.rules.hardfork == hardfork ?? .paris)
  }

  @Test(
    "A field of a genesis file that cannot be used is named",
    arguments: [
      (#"{}"#, "alloc"), (#"{"alloc":{"zz":{}}}"#, "alloc.zz"),
      (#"{"alloc":{"0x00000000000000000000000000000000000000c1":{"balance":"1x"}}}"#, "balance"),
      (#"{"alloc":{},"timestamp":true}"#, "timestamp"),
      (#"{"alloc":{},"config":{"cancunTime":"soon"}}"#, "config.cancunTime"), ("{", "Answer.json"),
    ])
  func malformedGenesis(text: String, field: String) async throws {
    let error = try await read(text) { file in
      #expect(throws: GenesisFileError.self) { try GenesisFile(contentsOf: file) }
    }
    let description = try #require(error).description
    #expect(description.contains(field))
  }

  @Test(
    "Artifacts of Hardhat and Foundry and plain JSON are created in the genesis block",
    arguments: [
      #"{"contractName":"Answer","abi":[],"bytecode":"CODE"}"#,
      #"{"abi":[],"bytecode":{"object":"CODE","sourceMap":""}}"#, #"{"bytecode":"CODE"}"#,
    ])
  func artifacts(text: String) async throws {
    let artifact = try await read(text.replacing("CODE", with: answer)) {
      try ContractArtifact(contentsOf: $0)
    }
    #expect(artifact.name == "Answer")
    var configuration = ChainConfiguration()
    let first = try configuration.deploy(artifact)
    let second = try configuration.deploy(artifact)
    #expect(first != second)
    let network = TestChain(configuration)
    for address in [first, second] {
      #expect(try await network.client.call(to: address, data: []) == ABI.word(42 as Word))
    }
    let deployer = network.account(0)
    #expect(network.chain.nonce(of: deployer.address) == 2)
    #expect(network.chain.balance(of: deployer.address) == DevelopmentAccount.defaultBalance)
  }

  @Test(
    "An artifact that cannot be used is refused with what to do",
    arguments: [
      (#"{"bytecode":"0x"}"#, "an interface has no code"),
      (#"{"bytecode":"0x60__$lib$__"}"#, "link them first"),
      (
        #"{"abi":[{"type":"constructor","inputs":[{"type":"address"}]}],"bytecode":"0x00"}"#,
        "the constructor takes 1"
      ),
      (#"{"abi":[]}"#, "bytecode is missing"),
    ])
  func malformedArtifacts(text: String, words: String) async throws {
    let error = try await read(text) { file in
      #expect(throws: GenesisFileError.self) { try ContractArtifact(contentsOf: file) }
    }
    let description = try #require(error).description
    #expect(description.contains(words))
  }

  @Test("A constructor that reverts is named")
  func failingConstructor() {
    var configuration = ChainConfiguration()
    let artifact = ContractArtifact(name: "Broken", initCode: [0x60, 0, 0x60, 0, 0xfd])
    let error = #expect(throws: DeploymentError.self) { try configuration.deploy(artifact) }
    #expect(error?.description == "Broken cannot be created: execution reverted")
  }
}
