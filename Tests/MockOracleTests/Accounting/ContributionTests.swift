import EthereumClient
import EthereumPrimitives
import Foundation
import MockOracle
import MockServing
import MockWeb3
import PlumiseTesting
import PlumiseWire
import Synchronization
import TestSupport
import Testing

/// A chain in process that can be made unreachable.
private final class ShakyChain: Sendable {
  let chain = MockWeb3()
  private let isAway = Mutex(false)
  private let loses = Mutex<String?>(nil)

  var client: EthereumClient {
    EthereumClient(
      transport: InMemoryRPCTransport { body in
        if self.isAway.withLock({ $0 }) { return Array("away".utf8) }
        let answer = await self.chain.respond(to: body)
        let lost = self.loses.withLock { $0 }
        if let lost, String(decoding: body, as: UTF8.self).contains(lost) {
          self.loses.withLock { $0 = nil }
          return Array("lost".utf8)
        }
        return answer
      })
  }

  func goAway(_ away: Bool) { isAway.withLock { $0 = away } }
  /// The chain does what is asked, and the answer to it is lost, once.
  func loseAnswer(to method: String) { loses.withLock { $0 = method } }

  /// Registers an agent and lets it beat once, so that it is active.
  func activate(_ key: SecretKey) async throws {
    let client = client
    chain.setBalance(of: key.address, to: PlumiseNetwork.oneCoin * 10)
    for (nonce, call) in [
      PrecompileCall.registration(AgentRegistration(name: "a", modelHash: .zero)),
      .heartbeat(agent: nil),
    ].enumerated() {
      let transaction = Transaction(
        chainID: PlumiseNetwork.chainID, nonce: UInt64(nonce),
        fee: .legacy(gasPrice: 10_000_000_000), gasLimit: call.gasLimit,
        to: call.contract.address, data: call.input)
      let hash = try await client.send(transaction.signed(with: key))
      #expect(try await client.receipt(of: hash)?.succeeded == true)
    }
  }

  /// What the pool holds of an agent: tasks, uptime, response, time, tokens, latency inverse.
  func contribution(of agent: Address) async throws -> [Word] {
    let answer = try await client.call(
      to: PlumiseNetwork.Contract.rewardPool,
      data: RewardPoolCall.getContribution(agent).input)
    return try stride(from: 0, to: answer.count, by: 32).map {
      try Word(bigEndian: Array(answer[$0..<($0 + 32)]))
    }
  }
}

/// A log in memory that keeps a report when it is told to go on.
private final class GatedLog: ReportLog {
  let recovered: [StoredReport] = []
  let arrived = Journal<Int64>()
  let goOn = Journal<Int64>()

  func append(_ report: StoredReport, sequence: Int64) async throws {
    arrived.record(sequence)
    _ = try await goOn.next { $0 == sequence }
  }
}

@Suite("Contributions", .timeLimit(.minutes(5))) struct ContributionTests {
  private let epoch = TestTime(1)
  /// Recorded whenever somebody asks which epoch it is.
  private let asked = Journal<Int64>()
  private let shaky = ShakyChain()

  private func oracle(
    log: (any ReportLog)? = nil, interval: Duration = .seconds(3), clock: ManualClock? = nil
  ) throws -> MockOracle {
    let account = OracleAccount(
      key: try #require(DevelopmentAccount.standard.last).key, client: shaky.client)
    let (epoch, asked) = (epoch, asked)
    return MockOracle(
      OracleConfiguration(
        dialects: [.documented, .deployed],
        epoch: EpochSource {
          asked.record(epoch.seconds)
          return UInt64(epoch.seconds)
        },
        contributions: ContributionPlan(
          account: account, interval: interval, clock: clock ?? ManualClock()),
        log: log, unixClock: TestTime(1_770_200_000).clock))
  }

  @Test("When an epoch ends the pool is told what every agent did in it, in both dialects")
  func reported() async throws {
    let oracle = try oracle()
    let (first, second) = (try testKey(1), try testKey(2))
    for key in [first, second] { try await shaky.activate(key) }
    #expect(await oracle.post(try signedReport(by: first)).status == 200)
    let deployed = try deployedReport(by: second, tokens: 50, requests: 2, latency: 250)
    #expect(await oracle.post(deployed, to: ReportDialect.deployed.path).status == 201)

    await oracle.reportContributions()
    #expect(oracle.contributions?.count == 0)
    epoch.seconds = 2
    await oracle.reportContributions()
    await oracle.reportContributions()
    let outcomes = oracle.contributions?.entries ?? []
    #expect(outcomes.count == 2)
    for outcome in outcomes {
      guard case .reported = outcome.result else {
        Issue.record("\(outcome)")
        continue
      }
    }
    var words = try await shaky.contribution(of: first.address)
    words.remove(at: 3)
    #expect(words == [3, 60, 90, 600, 9900])
    words = try await shaky.contribution(of: second.address)
    words.remove(at: 3)
    #expect(words == [2, 60, 75, 50, 9750])
  }

  @Test("A documented counter that runs on counts in each epoch what it grew by")
  func perEpoch() async throws {
    let oracle = try oracle()
    let key = try testKey()
    #expect(await oracle.post(try signedReport(by: key, tokens: 600)).status == 200)
    epoch.seconds = 2
    let later = try signedReport(by: key, tokens: 650, timestamp: 1_770_200_001)
    #expect(await oracle.post(later).status == 200)
    #expect(oracle.epoch(1, of: key.address)?.processedTokens == 600)
    #expect(oracle.epoch(2, of: key.address)?.processedTokens == 50)
    #expect(oracle.agent(key.address)?.processedTokens == 650)
    #expect(oracle.score(of: key.address, in: 2)?.taskCount == 0)
  }

  @Test("A report that lands after its epoch was reported counts for the next one")
  func late() async throws {
    let oracle = try oracle()
    let key = try testKey()
    try await shaky.activate(key)
    #expect(await oracle.post(try signedReport(by: key, tokens: 600)).status == 200)
    epoch.seconds = 2
    await oracle.reportContributions()
    // This one asked which epoch it is before the chain moved on.
    epoch.seconds = 1
    let later = try signedReport(by: key, tokens: 650, timestamp: 1_770_200_001)
    #expect(await oracle.post(later).status == 200)
    #expect(oracle.reports(of: key.address).map(\.epoch) == [1, 2])
    #expect(oracle.epoch(1, of: key.address)?.processedTokens == 600)
    epoch.seconds = 3
    await oracle.reportContributions()
    let told = oracle.contributions?.entries.map { [Int64($0.epoch), $0.score.processedTokens] }
    #expect(told == [[1, 600], [2, 50]])
  }

  @Test("A report that is being stored while its epoch ends is reported with it")
  func onItsWay() async throws {
    let log = GatedLog()
    let oracle = try oracle(log: log)
    let key = try testKey()
    try await shaky.activate(key)
    log.goOn.record(1)
    #expect(await oracle.post(try signedReport(by: key, tokens: 600)).status == 200)
    let later = try signedReport(by: key, tokens: 650, timestamp: 1_770_200_001)
    async let answer = oracle.post(later)
    _ = try await log.arrived.wait(forCount: 2)
    epoch.seconds = 2
    let reporting = Task { await oracle.reportContributions() }
    _ = try await asked.next { $0 == 2 }
    log.goOn.record(2)
    #expect(await answer.status == 200)
    await reporting.value
    #expect(oracle.contributions?.entries.map(\.score.processedTokens) == [650])
  }

  @Test("What the pool does not take is told with its reason, and not sent again")
  func reverted() async throws {
    let oracle = try oracle()
    let key = try testKey()
    #expect(await oracle.post(try signedReport(by: key)).status == 200)
    epoch.seconds = 2
    await oracle.reportContributions()
    await oracle.reportContributions()
    #expect(
      oracle.contributions?.entries.map(\.result) == [.reverted(reason: "Agent not registered")])
  }

  @Test("What a fault says, and that a chain says nothing, is told with a report that was reverted")
  func revertedByFault() async throws {
    let oracle = try oracle()
    let key = try testKey()
    try await shaky.activate(key)
    shaky.chain.inject(.revert(reason: "closed for today"))
    #expect(await oracle.post(try signedReport(by: key)).status == 200)
    epoch.seconds = 2
    await oracle.reportContributions()
    shaky.chain.inject(.revert(reason: "closed for today"))
    shaky.chain.inject(
      ChainFaultRule(.refuse(.refused("header not found")), method: "eth_call", count: nil))
    #expect(
      await oracle.post(try signedReport(by: key, timestamp: 1_770_200_001)).status == 200)
    epoch.seconds = 3
    await oracle.reportContributions()
    let results = try #require(oracle.contributions?.entries.map(\.result))
    #expect(results == [.reverted(reason: "closed for today"), .reverted(reason: nil)])
    #expect(
      results.map(\.description)
        == ["reverted: closed for today", "reverted: the chain tells no reason"])
  }

  @Test("A chain that was reset gets the contribution anew that was signed for a later nonce")
  func reset() async throws {
    let oracle = try oracle()
    let key = try testKey()
    try await shaky.activate(key)
    #expect(await oracle.post(try signedReport(by: key)).status == 200)
    epoch.seconds = 2
    await oracle.reportContributions()
    #expect(
      await oracle.post(try signedReport(by: key, timestamp: 1_770_200_001)).status == 200)
    epoch.seconds = 3
    // The second one is signed with nonce 1, and not taken.
    shaky.chain.inject(
      ChainFaultRule(.refuse(.refused("busy")), method: "eth_sendRawTransaction"))
    await oracle.reportContributions()
    _ = try await shaky.client.request("hardhat_reset")
    try await shaky.activate(key)
    await oracle.reportContributions()
    let results = try #require(oracle.contributions?.entries.map(\.result))
    try #require(results.count == 3)
    guard case .postponed = results[1], case .reported = results[2] else {
      Issue.record("\(results)")
      return
    }
    #expect(shaky.chain.waitingTransactionCount == 0)
  }

  @Test("A chain that is away, or whose answer is lost, gets the contribution once")
  func outage() async throws {
    let oracle = try oracle()
    let key = try testKey()
    try await shaky.activate(key)
    #expect(await oracle.post(try signedReport(by: key)).status == 200)
    epoch.seconds = 2
    shaky.goAway(true)
    await oracle.reportContributions()
    shaky.goAway(false)
    shaky.loseAnswer(to: "eth_sendRawTransaction")
    await oracle.reportContributions()
    await oracle.reportContributions()
    let results = oracle.contributions?.entries.map(\.result) ?? []
    #expect(results.count == 3)
    for result in results.prefix(2) {
      guard case .postponed = result else {
        Issue.record("\(result)")
        continue
      }
    }
    #expect(try await shaky.contribution(of: key.address)[4] == 600)
  }

  @Test("An oracle that starts again does not report a contribution twice")
  func restarts() async throws {
    try await withTemporaryFolder { folder in
      let file = folder.appending(path: "oracle.sqlite").path
      let key = try testKey()
      try await shaky.activate(key)
      for life in 0..<3 {
        let oracle = try oracle(log: try SQLiteReportLog(path: file))
        if life == 0 {
          #expect(await oracle.post(try signedReport(by: key)).status == 200)
          epoch.seconds = 2
          shaky.loseAnswer(to: "eth_sendRawTransaction")
        }
        await oracle.reportContributions()
        #expect(oracle.contributions?.count == (life == 2 ? 0 : 1))
      }
      #expect(try await shaky.contribution(of: key.address)[4] == 600)
    }
  }

  @Test("While it is served the oracle looks by itself")
  func byItself() async throws {
    let clock = ManualClock()
    let oracle = try oracle(clock: clock)
    let key = try testKey()
    try await shaky.activate(key)
    try await oracle.withServer { _ in
      #expect(await oracle.post(try signedReport(by: key)).status == 200)
      try await clock.waitForSleepers()
      epoch.seconds = 2
      try await clock.advanceToNextDeadline()
      let outcome = try await oracle.contributions?.next()
      #expect(outcome?.agent == key.address && outcome?.epoch == 1)
    }
    #expect(clock.deadlines.isEmpty)
  }

  @Test("A node that joins a pipeline is registered on the chain by the oracle")
  func sponsored() async throws {
    let client = shaky.client
    let account = OracleAccount(
      key: try #require(DevelopmentAccount.standard.last).key, client: client)
    let oracle = MockOracle(
      OracleConfiguration(
        dialects: [.deployed], registration: .chain(client),
        contributions: ContributionPlan(account: account),
        unixClock: TestTime(1_770_200_000).clock))
    let key = try testKey()
    let body = pipelineRegistration(by: key)
    #expect(await oracle.post(body, to: PipelineRegistration.path).status == 201)
    #expect(try await client.agentStatus(of: key.address).isRegistered)
  }
}

@Suite("Agent score", .timeLimit(.minutes(5))) struct AgentScoreTests {
  @Test(
    "The live formula",
    arguments: [
      (50, 1800, 80, 0, 56), (0, 3600, 100, 0, 5), (0, 3600, 100, 1, 50),
      (1000, 36_000, 1000, 0, 100), (0, 0, 0, 0, 0),
    ] as [(Int64, Int64, Int64, Int64, Double)])
  func live(tasks: Int64, uptime: Int64, response: Int64, tokens: Int64, score: Double) {
    let work = AgentScore(
      taskCount: tasks, uptimeSeconds: uptime, responseScore: response, processedTokens: tokens)
    #expect(work.live == score)
  }

  @Test("The contract's formula, also where 64 bits do not hold it")
  func contract() {
    let work = AgentScore(
      taskCount: 3, uptimeSeconds: 60, responseScore: 0, processedTokens: 600,
      averageLatencyInverse: 9900)
    #expect(work.contract == 600 * 40 + 3 * 25 + 60 * 20 + 9900 * 15)
    let most = AgentScore(
      taskCount: .max, uptimeSeconds: .max, responseScore: .max, processedTokens: .max)
    #expect(most.contract == Int128(Int64.max) * 85)
    #expect(most.contribution.taskCount == 10_000)
    #expect(most.contribution.throughput?.processedTokens == 100_000_000)
  }
}
