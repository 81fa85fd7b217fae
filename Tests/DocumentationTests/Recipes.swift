// What Recipes.md shows, compiled and run as it stands there (Scripts/check-snippets.py).

import EthereumClient
import EthereumPrimitives
import Foundation
import MockServing
import MockWeb3
import PetalsNode
import PlumiseTesting
import PlumiseWire
import Testing

#if canImport(FoundationNetworking)
  import FoundationNetworking
#endif

// snippet: Sources/PlumiseTesting/PlumiseTesting.docc/Recipes.md
@Test("However nodes share the blocks, the tokens are the same", arguments: [1, 2, 3, 8])
func anySplit(nodes: Int) async throws {
  try await withNetwork(nodes: .even(nodes)) { network in
    let result = try await network.generate("Hello", maxNewTokens: 8)
    #expect(try await result.generatedIDs == network.generateLocally("Hello", maxNewTokens: 8))
  }
}
// end of snippet

// snippet: Sources/PlumiseTesting/PlumiseTesting.docc/Recipes.md
@Test("A seed gives the same tokens again", .network(nodes: 2))
func seededSampling() async throws {
  let network = try PetalsNetwork.current
  let request = try PipelineRequest(
    promptIDs: [5, 6, 7], maxNewTokens: 8,
    sampling: SamplingParameters(temperature: 0.9, topP: 0.95), seed: 42)
  try await network.withClient { client in
    let first = try await client.generate(request).collect()
    let second = try await client.generate(request).collect()
    #expect(first.generatedIDs == second.generatedIDs)
  }
}
// end of snippet

// snippet: Sources/PlumiseTesting/PlumiseTesting.docc/Recipes.md
@Test("Tokens come one by one", .network(nodes: 2))
func stream() async throws {
  let network = try PetalsNetwork.current
  try await network.withClient { client in
    var count = 0
    let request = try PipelineRequest(promptIDs: [5, 6, 7], maxNewTokens: 8)
    for try await token in try client.generate(request) {
      #expect(token.index == count)
      count += 1
    }
    #expect((1...8).contains(count))
  }
}
// end of snippet

// snippet: Sources/PlumiseTesting/PlumiseTesting.docc/Recipes.md
@Test(
  "Another node takes the place of one that is cut off",
  .petalsNetwork {
    var plan = try NetworkPlan(nodes: 2, replicas: 2)
    plan.hasFaultyLinks = true
    return plan
  })
func replacedNode() async throws {
  let network = try PetalsNetwork.current
  await network.nodes[0].link?.cut()
  let result = try await network.generate("Hello", maxNewTokens: 8)
  #expect(result.route.hops[0].peer == network.nodes[2].peer.description)
}
// end of snippet

// snippet: Sources/PlumiseTesting/PlumiseTesting.docc/Recipes.md
@Test("Every node counts a generation once", .network(nodes: 3))
func counted() async throws {
  let network = try PetalsNetwork.current
  let result = try await network.generate("Hello", maxNewTokens: 8)
  for node in network.nodes {
    #expect(node.metrics.snapshot.totalRequests == 1)
    #expect(node.metrics.snapshot.totalTokens == Int64(result.generatedIDs.count))
  }
}
// end of snippet

// snippet: Sources/PlumiseTesting/PlumiseTesting.docc/Recipes.md
@Test("The oracle refuses an agent that the chain does not know", .network(nodes: 1))
func unregistered() async throws {
  let node = try PetalsNetwork.current.nodes[0]
  let outcome = await node.reporter.reportNow()
  #expect(outcome.failure?.status == 403)
}
// end of snippet

// snippet: Sources/PlumiseTesting/PlumiseTesting.docc/Recipes.md
@Test("A report carries a proof of each generation", .network(nodes: 1))
func proofs() async throws {
  let network = try PetalsNetwork.current
  let node = network.nodes[0]
  try await node.register()
  let result = try await network.generate("Hello", maxNewTokens: 8)
  await node.reporter.reportNow()
  let stored = network.oracle.proofs(of: node.address)
  #expect(stored.map(\.tokenCount) == [Int64(result.generatedIDs.count)])
}
// end of snippet

// snippet: Sources/PlumiseTesting/PlumiseTesting.docc/Recipes.md
@Test(
  "No token is lost while the oracle is down", .network(nodes: 1),
  .oracleFaults(FaultRule(.status(503), count: 2)))
func oracleDown() async throws {
  let network = try PetalsNetwork.current
  let node = network.nodes[0]
  try await node.register()
  let result = try await network.generate("Hello", maxNewTokens: 8)
  for isAccepted in [false, false, true] {
    #expect(await node.reporter.reportNow().isAccepted == isAccepted)
  }
  let record = try network.oracle.record(of: node.address)
  #expect(record.processedTokens == Int64(result.generatedIDs.count))
}
// end of snippet

// snippet: Sources/PlumiseTesting/PlumiseTesting.docc/Recipes.md
@Test(
  "A report to an oracle that does not answer is late, in no real time", .network(nodes: 1),
  .oracleFaults(FaultRule(.neverAnswer)))
func silentOracle() async throws {
  let network = try PetalsNetwork.current
  let node = network.nodes[0]
  try await node.register()
  let outcome = try await network.time.run { await node.reporter.reportNow() }
  #expect(outcome.failure?.code == .timedOut)
}
// end of snippet

// snippet: Sources/PlumiseTesting/PlumiseTesting.docc/Recipes.md
@Test(
  "A test waits for reports", .network(nodes: 2, configure: { $0.runsServices = true }))
func waiting() async throws {
  let network = try PetalsNetwork.current
  try await network.time.advance(by: .seconds(60))
  let reports = try await network.oracle.waitForReports(2)
  #expect(Set(reports.map(\.agent)) == Set(network.nodes.map(\.address)))
}
// end of snippet

// snippet: Sources/PlumiseTesting/PlumiseTesting.docc/Recipes.md
@Test("A day has 1440 reports", .network(nodes: 1, configure: { $0.runsServices = true }))
func wholeDay() async throws {
  let network = try PetalsNetwork.current
  try await network.time.advance(by: .seconds(86_400))
  #expect(try network.oracle.record(of: network.nodes[0].address).reportCount == 1440)
}
// end of snippet

// snippet: Sources/PlumiseTesting/PlumiseTesting.docc/Recipes.md
@Test("An agent without heartbeats is not active after ten minutes", .network(nodes: 1))
func silentAgent() async throws {
  let network = try PetalsNetwork.current
  let node = network.nodes[0]
  try await node.register()
  try await node.agent.heartbeat()
  func isActive() -> Bool? {
    network.chain.agent(node.address)?.isActive(at: network.chain.latestBlock.header.timestamp)
  }
  #expect(isActive() == true)
  try await network.time.advance(by: .seconds(600))
  network.chain.mine()
  #expect(isActive() == false)
}
// end of snippet

// snippet: Sources/PlumiseTesting/PlumiseTesting.docc/Recipes.md
@Test("A second registration sends nothing", .network(nodes: 1))
func registeredTwice() async throws {
  let network = try PetalsNetwork.current
  let node = network.nodes[0]
  try await node.register()
  #expect(try await node.register() == .alreadyRegistered)
  #expect(network.chain.transactions.count == 1)
}
// end of snippet

// snippet: Sources/PlumiseTesting/PlumiseTesting.docc/Recipes.md
@Test("A chain goes back to where it was", .network(nodes: 1))
func backInTime() async throws {
  let network = try PetalsNetwork.current
  let node = network.nodes[0]
  let before = network.chain.snapshot()
  try await node.register()
  network.chain.revert(to: before)
  #expect(!network.chain.isRegistered(node.address))
}
// end of snippet

// snippet: Sources/PlumiseTesting/PlumiseTesting.docc/Recipes.md
@Test(
  "A minute has twenty blocks of three seconds",
  .network(nodes: 1, configure: { $0.chain.mining = .every(.seconds(3)) }))
func blockTime() async throws {
  let network = try PetalsNetwork.current
  try await network.time.advance(by: .seconds(60))
  #expect(network.chain.blockNumber == 20)
}
// end of snippet

// snippet: Sources/PlumiseTesting/PlumiseTesting.docc/Recipes.md
@Test("Any client of Ethereum reads the chain", .network(nodes: 1))
func chainClient() async throws {
  let network = try PetalsNetwork.current
  let client = EthereumClient(url: network.chainAddress.url)
  let account = network.chain.accounts[0].address
  #expect(try await client.balance(of: account) == network.chain.balance(of: account))
}
// end of snippet

// snippet: Sources/PlumiseTesting/PlumiseTesting.docc/Recipes.md
@Test("A reorganised block's transaction is made again", .network(nodes: 1))
func reorganisation() async throws {
  let network = try PetalsNetwork.current
  let node = network.nodes[0]
  try await node.register()
  network.chain.reorganise(depth: 1)
  #expect(!network.chain.isRegistered(node.address))
  network.chain.mine()
  #expect(network.chain.isRegistered(node.address))
}
// end of snippet

// snippet: Sources/PlumiseTesting/PlumiseTesting.docc/Recipes.md
@Test("A failed test can be read from a network's report", .network(nodes: 1))
func report() async throws {
  let network = try PetalsNetwork.current
  await network.nodes[0].reporter.reportNow()
  #expect("\(network.report)".contains("is not registered on chain"))
}
// end of snippet

// snippet: Sources/PlumiseTesting/PlumiseTesting.docc/Recipes.md
/// What a client of the chat API sends.
struct Chat: Encodable {
  let model: String
  let messages: [[String: String]]
  let max_tokens: Int
}

@Test(
  "A chat runs through the gateway",
  .network(nodes: 2, oracle: .deployed, agents: .newest, gateway: .fixed))
func chat() async throws {
  let network = try PetalsNetwork.current
  let gateway = try #require(network.gatewayAddress)
  var request = URLRequest(url: try #require(URL(string: gateway.url + "/v1/chat/completions")))
  request.httpMethod = "POST"
  request.httpBody = try JSONEncoder().encode(
    Chat(
      model: network.plan.pipelineModel, messages: [["role": "user", "content": "Hello"]],
      max_tokens: 4))
  let (_, response) = try await URLSession.shared.data(for: request)
  #expect((response as? HTTPURLResponse)?.statusCode == 200)
}
// end of snippet

// snippet: Sources/PlumiseTesting/PlumiseTesting.docc/Recipes.md
@MainActor
@Test("A test on the main actor uses a network")
func onTheMainActor() async throws {
  var found = ""  // State of the main actor, which the body may change.
  try await withNetwork(nodes: 1) { network in
    found = try await EthereumClient(url: network.chainAddress.url).chainID().description
  }
  #expect(found == "41956")
}
// end of snippet
