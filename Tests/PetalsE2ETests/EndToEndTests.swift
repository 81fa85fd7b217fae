import Bloom
import ChainAgent
import EthereumClient
import EthereumPrimitives
import Foundation
import MockOracle
import MockWeb3
import PetalsNode
import PlumiseTesting
import PlumiseWire
import TestSupport
import Testing

/// The whole documented flow over sockets, every part real.
@Suite("The whole network", .timeLimit(.minutes(5)))
struct EndToEndTests {
  static let prompt = "Explain quantum computing"

  @Test(
    """
    Agents register, serve, generate, prove and report; the oracle verifies, stores and reports \
    contributions; when the epoch ends the pool shares its reward, and the agents claim it
    """,
    arguments: [1, 2, 3])
  func theWholeFlow(nodes: Int) async throws {
    var plan = try NetworkPlan(nodes: nodes)
    plan.rewardOracle = plan.chain.accounts.last
    try await withPetalsNetwork(plan) { network in
      // Register and beat.
      for member in network.nodes {
        try await member.register()
        try await member.agent.heartbeat()
        #expect(network.chain.agent(member.address)?.lastHeartbeat != 0)
      }

      // Serve and generate: the tokens are those of the whole model in one process.
      for member in network.nodes { try await member.reporter.start() }
      let result = try await network.generate(Self.prompt, maxNewTokens: 20)
      let alone = try await network.generateLocally(Self.prompt, maxNewTokens: 20)
      #expect(result.generatedIDs == alone)
      #expect(result.route.hops.map(\.blocks) == network.plan.blocks)

      // Report: the interval passes, and every node's report arrives.
      try await network.clock.waitForSleepers(nodes)
      network.clock.advance(by: network.plan.reportInterval)
      try await network.oracle.waitForReports(nodes)

      for member in network.nodes {
        // Verified and stored: the oracle's numbers are the node's own.
        let record = try #require(network.oracle.agent(member.address))
        #expect(record.processedTokens == Int64(alone.count))
        #expect(record.tasksCompleted == 1)

        // Proved: the proof binds model, input, output and agent.
        let stored = try #require(network.oracle.proofs(of: member.address).first)
        let proof = InferenceProof(
          model: network.plan.model.checkpoint.name, input: Self.prompt,
          output: try #require(result.text), agent: member.address,
          tokenCount: Int64(alone.count))
        #expect(stored.modelHash == "\(proof.modelHash)")
        #expect(stored.inputHash == "\(proof.inputHash)")
        #expect(stored.outputHash == "\(proof.outputHash)")
        #expect(stored.tokenCount == proof.tokenCount)
        // The chain takes the same proof from the agent that it names.
        try await member.agent.verifyInference(proof)
      }
      try await checkRewards(network)
    }
  }

  /// From the oracle's accounts of an ended epoch to coins in the agents' accounts.
  private func checkRewards(_ network: PetalsNetwork) async throws {
    let chain = network.chain
    let scores = try network.nodes.map {
      Word(UInt64(try #require(network.oracle.score(of: $0.address, in: 0)).contract))
    }
    #expect(scores.allSatisfy { $0 > .zero })

    // The epoch ends, which takes an hour of blocks: only agents that beat again are active.
    #expect(chain.endEpoch() == 0)
    for member in network.nodes { try await member.agent.heartbeat() }
    await network.oracle.reportContributions()
    let outcomes = network.oracle.contributions?.entries ?? []
    #expect(outcomes.map(\.agent).count == network.nodes.count)
    for outcome in outcomes {
      guard case .reported = outcome.result else {
        Issue.record("\(outcome.agent): \(outcome.result)")
        continue
      }
    }

    // Anybody may have the pool count what it holds, and share it when the epoch is over.
    let pool = PlumiseNetwork.Contract.rewardPool
    let anybody = ChainAgent(
      key: chain.accounts[0].key, client: EthereumClient(url: network.chainAddress.url))
    func send(_ call: RewardPoolCall) async throws -> Receipt {
      try await anybody.send(to: pool, data: call.input, gasLimit: 1_000_000)
    }
    let heldBefore = chain.balance(of: pool)
    let synced = try await send(.syncRewards)
    let reward = heldBefore
    #expect(reward == Word(synced.blockNumber - 1) * PlumiseNetwork.blockReward)
    #expect(chain.endEpoch() == 1)
    _ = try await send(.distributeRewards(epoch: 1))

    var claimed = Word.zero
    let total = scores.reduce(.zero, +)
    for (member, score) in zip(network.nodes, scores) {
      let pending = try await member.agent.pendingReward()
      let share = reward * score / total
      // Shares are rounded down, and one agent gets what that leaves.
      #expect(pending >= share && pending - share < Word(UInt64(network.nodes.count)))
      let before = chain.balance(of: member.address)
      let receipt = try #require(try await member.agent.claimReward(above: 1))
      let fee = Word(receipt.gasUsed) * receipt.effectiveGasPrice
      #expect(chain.balance(of: member.address) == before + pending - fee)
      #expect(try await member.agent.pendingReward() == .zero)
      #expect(try await member.agent.status().totalRewards == pending)
      claimed += pending
    }
    #expect(claimed == reward)
    let blocks = Word(chain.blockNumber)
    #expect(chain.balance(of: pool) == blocks * PlumiseNetwork.blockReward - claimed)
    try await checkLedger(network, claimed: claimed)
  }

  /// Requires that the report's ledger has all of it, and balances.
  private func checkLedger(_ network: PetalsNetwork, claimed: Word) async throws {
    try await withTemporaryFolder { folder in
      try network.report.write(to: folder.path)
      let report = try JSON.parse(Data(contentsOf: folder.appending(path: "report.json")))
      #expect(report["ledger"]?["balanced"] == true, "\(report["ledger"]?.text ?? "")")
      let accounts = try #require(report["ledger"]?["nodes"]?.arrayValue)
      #expect(accounts.count == network.nodes.count)
      for (account, node) in zip(accounts, network.nodes) {
        let tokens = JSON.integer(network.oracle.agent(node.address)?.processedTokens ?? 0)
        for column in ["served", "reported", "acknowledged", "contributed"] {
          #expect(account[column] == tokens, "\(column): \(account.text)")
        }
      }
      let paid = try accounts.map { try Word(decimal: try #require($0["paid_wei"]?.stringValue)) }
      #expect(paid.reduce(.zero, +) == claimed)
    }
  }

  @Test(
    "A node killed in mid-generation is replaced: same tokens, which the oracle counts once",
    arguments: zip([0, 1, 0], [0, 9, 18]))
  func killedNode(hop: Int, token: Int) async throws {
    var plan = try NetworkPlan(nodes: 2, replicas: 2)
    plan.hasFaultyLinks = true
    try await withPetalsNetwork(plan) { network in
      for member in network.nodes {
        try await member.register()
        try await member.reporter.start()
      }
      let tokenizer = try #require(network.plan.model.tokenizer)
      let alone = try await network.generateLocally(Self.prompt, maxNewTokens: 20)
      let (result, killed) = try await network.withClient { client in
        let stream = try client.generate(
          PipelineRequest(
            promptIDs: tokenizer.encode(Self.prompt), prompt: Self.prompt, maxNewTokens: 20))
        var killed = ""
        for try await made in stream where made.index == token {
          killed = try #require(await stream.route).hops[hop].peer
          let member = try #require(network.nodes.first { $0.peer.description == killed })
          await member.link?.cut()
        }
        return (try await stream.collect(), killed)
      }
      #expect(result.generatedIDs == alone)
      let used = Set(result.route.hops.map(\.peer))
      #expect(used.count == 2 && !used.contains(killed))

      try await network.clock.waitForSleepers(network.nodes.count)
      network.clock.advance(by: network.plan.reportInterval)
      try await network.oracle.waitForReports(network.nodes.count)
      for member in network.nodes {
        let record = try #require(network.oracle.agent(member.address))
        let isUsed = used.contains(member.peer.description)
        #expect(record.processedTokens == (isUsed ? Int64(alone.count) : 0))
        #expect(record.tasksCompleted == (isUsed ? 1 : 0))
        #expect(network.oracle.proofs(of: member.address).count == (isUsed ? 1 : 0))
      }
    }
  }

  @Test("An agent that is not registered is refused by the oracle", .petalsNetwork(nodes: 1))
  func unregistered() async throws {
    let network = try PetalsNetwork.current
    let node = try #require(network.nodes.first)
    node.metrics.recordInference(tokens: 5, latency: .milliseconds(1))
    let outcome = await node.reporter.reportNow()
    #expect(!outcome.isAccepted)
    let entry = try await network.oracle.journal.next { $0.agent == node.address }
    #expect(entry.status == 403)
    #expect(network.oracle.agent(node.address) == nil)
  }
}
