import EthereumPrimitives
import MockOracle
import Testing

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
