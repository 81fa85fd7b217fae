import EthereumPrimitives
import Foundation
import MockWeb3
import PlumiseTesting
import PlumiseWire
import TestSupport
import Testing

@Suite("Networks whose chain begins with contracts", .timeLimit(.minutes(5)))
struct GenesisTraitTests {
  @Test("The trait takes a genesis file and artifacts, and agents register on that chain")
  func trait() async throws {
    let test = try #require(Test.current)
    let testCase = Test.Case.current
    try await withTemporaryFolder { folder in
      let genesis = try folder.write(
        "genesis.json",
        Array(
          """
          {"config":{"chainId":77},"alloc":{"0x00000000000000000000000000000000000000c1":
            {"balance":"7","code":"0x60005460005260206000f3","storage":{"0x0":"0x9"}}}}
          """.utf8))
      // Init code that returns the code of a contract that returns 42.
      let artifact = try folder.write(
        "Answer.json",
        Array(#"{"bytecode":"0x600a600c600039600a6000f3602a60005260206000f3"}"#.utf8))
      let trait: PetalsNetworkTrait = .network(
        nodes: 1, genesis: URL(filePath: genesis), deploying: [URL(filePath: artifact)])
      try await trait.provideScope(for: test, testCase: testCase) {
        let network = try PetalsNetwork.current
        let chain = TestChain(network.chain)
        #expect(try await chain.client.request("eth_chainId") == "0x4d")
        #expect(try await chain.client.call(to: .precompile(0xc1), data: []) == ABI.word(9 as Word))
        let answer = try #require(network.plan.contracts["Answer"])
        #expect(try await chain.client.call(to: answer, data: []) == ABI.word(42 as Word))
        try await network.nodes[0].register()
        #expect(network.chain.isRegistered(network.nodes[0].address))
      }
    }
  }

  @Test("A file that cannot be used is named before anything starts")
  func missingFile() throws {
    var plan = try NetworkPlan(nodes: 1)
    let error = #expect(throws: GenesisFileError.self) {
      try plan.beginChain(withGenesis: URL(filePath: "/nowhere/genesis.json"))
    }
    #expect(error?.path == "/nowhere/genesis.json")
    #expect(plan.contracts.isEmpty && plan.chain.genesisAccounts.isEmpty)
  }
}
