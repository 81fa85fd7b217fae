import EthereumClient
import EthereumPrimitives
import MockWeb3
import PlumiseWire
import Testing

@Suite("Contract calls of another implementation", .timeLimit(.minutes(5)))
struct CalldataTests {
  @Test("Every call of the golden data names a function that the contracts have")
  func calldata() async throws {
    let network = TestChain()
    let vectors = try ChainVectors.ethereum("calldata").filter {
      $0["to"] == .string(PlumiseNetwork.Contract.rewardPool.lowercaseHex)
    }
    #expect(vectors.count == 11)
    for vector in vectors {
      let input = try vector.bytes("data")
      // The vectors send the registry's questions to the pool's address as well.
      let isRegistry = ["isRegistered", "isActive", "getAgent"].contains {
        vector["function"]?.stringValue?.hasPrefix($0) ?? false
      }
      let contract =
        isRegistry
        ? PlumiseNetwork.Contract.agentRegistry : PlumiseNetwork.Contract.rewardPool
      let reason = try await network.revertReason(
        input, to: contract, from: network.account(0))
      // A revert without a reason is an unknown function or arguments that do not fit.
      #expect(reason != "", "\(vector["function"] ?? .null)")
    }
  }
}
