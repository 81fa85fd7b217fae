// snippet: Documentation/Chain.md
import EthereumPrimitives
import MockServing
import MockWeb3
import Testing

@Test("A fork goes on from the remote chain's block")
func fork() async throws {
  let remote = MockWeb3()
  remote.mine(3)
  try await remote.withServer { address in
    var configuration = ChainConfiguration()
    try await configuration.fork(from: address.url, at: 2)
    let chain = MockWeb3(configuration)
    chain.mine()
    #expect(chain.blockNumber == 3 && chain.latestBlock.header.parentHash == remote.block(2)?.hash)
  }
}
// end of snippet
