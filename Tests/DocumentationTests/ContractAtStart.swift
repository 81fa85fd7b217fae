// snippet: Documentation/Chain.md
import EthereumPrimitives
import MockWeb3
import Testing

@Test("A contract is there from the first block on")
func contracts() throws {
  // Init code that returns the code of a contract that returns 42.
  let initCode = try Hex.decode("0x600a600c600039600a6000f3602a60005260206000f3")
  var configuration = ChainConfiguration()
  let address = try configuration.deploy(ContractArtifact(name: "Answer", initCode: initCode))
  let chain = MockWeb3(configuration)
  #expect(chain.nonce(of: address) == 1)
}
// end of snippet
