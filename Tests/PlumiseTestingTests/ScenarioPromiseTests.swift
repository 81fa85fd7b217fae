import EthereumPrimitives
import PlumiseTesting
import Testing

/// What each promise says of histories that a test writes.
@Suite("Promises of scenarios", .timeLimit(.minutes(5)))
struct ScenarioPromiseTests {
  /// The promises that a history breaks, by name.
  private func broken(_ events: HistoryEvent...) -> [String] {
    var history = History()
    for event in events { history.append(event, at: .seconds(1)) }
    return history.broken(ScenarioPromises.all).map(\.promise)
  }

  private static let account = SecretKey.random().address
  private static let (first, second) = (Keccak256.hash("first"), Keccak256.hash("second"))
  private static let other = Keccak256.hash("other")

  private func report(_ tokens: Int64, at timestamp: Int64, life: Int = 1) -> HistoryEvent {
    .report(
      node: 0, life: life,
      .init(timestamp: timestamp, tokens: tokens, proofs: 0, status: 200, isAccepted: true))
  }

  private func sent(
    _ call: Hash32, nonce: UInt64 = 3, refusal: String? = nil, node: Int? = 0
  ) -> HistoryEvent {
    .transaction(
      .init(
        hash: call, node: node, sender: Self.account, nonce: nonce, call: call, refusal: refusal))
  }

  @Test(
    "A generation that skips a block, or never ends, breaks a promise; one that failed does not")
  func generations() {
    let name = "every block is covered, or the caller is told"
    let began = HistoryEvent.generationBegan(0, prompt: [5], maxNewTokens: 2)
    let network = HistoryEvent.network(nodes: 2, blocks: 24)
    func generated(_ ranges: Range<Int>...) -> HistoryEvent {
      .generated(0, ids: [7], hops: ranges.map { .init(node: "node0", blocks: $0) })
    }
    #expect(broken(network, began, generated(0..<12, 12..<24)).isEmpty)
    #expect(broken(network, began, generated(0..<12, 13..<24)) == [name])
    #expect(broken(network, began, generated(0..<12, 11..<24)) == [name])
    #expect(broken(network, began, generated(0..<23)) == [name])
    #expect(broken(network, began) == [name])
    #expect(broken(network, began, .generationFailed(0, ids: [], reason: "gone")).isEmpty)
    #expect(broken(.unended("payments")) == [name])
  }

  @Test("Ids that differ from the undisturbed ones break a promise, also those before a failure")
  func ids() {
    let name = "final ids equal an undisturbed run"
    let failed = { HistoryEvent.generationFailed(0, ids: $0, reason: "gone") }
    #expect(
      broken(.generationFailed(0, ids: [1], reason: ""), .undisturbed(0, ids: [1, 2])).isEmpty)
    #expect(broken(failed([2]), .undisturbed(0, ids: [1, 2])) == [name])
    #expect(broken(failed([]), .undisturbed(0, ids: [1, 2])).isEmpty)
  }

  @Test("Tokens that are counted, reported or kept otherwise than they were taken break a promise")
  func tokens() {
    let name = "every acknowledged token is counted once"
    let counted = HistoryEvent.counted(node: 0, life: 1, tokens: 4, proof: nil)
    func ended(_ tokens: Int64, crashed: Bool = false) -> HistoryEvent {
      .lifeEnded(node: 0, life: 1, crashed: crashed, tokens: tokens)
    }
    func totals(_ tokens: Int64) -> HistoryEvent {
      .oracleTotals(node: 0, tokens: tokens, reports: 1, proofs: [])
    }
    #expect(broken(counted, report(4, at: 9), ended(4), totals(4)).isEmpty)
    #expect(broken(counted, report(8, at: 9), ended(4), totals(8)) == [name, name])
    #expect(broken(counted, report(4, at: 9), ended(8), totals(4)) == [name, name])
    #expect(broken(counted, report(4, at: 9), ended(4), totals(3)) == [name])
    #expect(broken(report(0, at: 9), counted, ended(4), totals(0)) == [name])
    #expect(broken(report(0, at: 9), counted, ended(4, crashed: true), totals(0)).isEmpty)
  }

  @Test("A proof that is lost or doubled breaks a promise")
  func proofs() {
    let name = "every proof reaches the oracle once"
    let counted = HistoryEvent.counted(node: 0, life: 1, tokens: 4, proof: "a")
    func totals(_ proofs: String...) -> HistoryEvent {
      .oracleTotals(node: 0, tokens: 0, reports: 0, proofs: proofs)
    }
    #expect(broken(counted, totals("a")).isEmpty)
    #expect(broken(counted, counted, totals("a")).isEmpty)
    #expect(broken(counted, totals()) == [name])
    #expect(broken(counted, totals("a", "a")) == [name])
    #expect(broken(counted, totals("a", "b")) == [name])
  }

  @Test("A report that is taken again breaks a promise")
  func reports() {
    let name = "no report is taken twice"
    let totals = HistoryEvent.oracleTotals(node: 0, tokens: 0, reports: 2, proofs: [])
    #expect(
      broken(
        .registration(node: 0, sinceHeartbeat: 1), report(0, at: 8), report(0, at: 9),
        totals
      ).isEmpty)
    #expect(broken(report(0, at: 9), report(0, at: 9), totals) == [name])
    #expect(broken(report(0, at: 9), totals) == [name])
  }

  @Test("A nonce that is used for two calls breaks a promise; the same call may come again")
  func nonces() {
    let name = "an agent uses every nonce for one call"
    #expect(broken(sent(Self.first), sent(Self.second, refusal: "nonce too low: 3")) == [name])
    #expect(broken(sent(Self.first), sent(Self.first, refusal: "nonce too low: 3")).isEmpty)
    #expect(
      broken(
        sent(Self.first), sent(Self.second, refusal: "replacement transaction underpriced"))
        == [name])
    #expect(broken(sent(Self.first), sent(Self.second, refusal: "insufficient funds")).isEmpty)
    #expect(
      broken(
        sent(Self.first, node: nil), sent(Self.second, refusal: "nonce too low: 3", node: nil)
      ).isEmpty)
    #expect(
      broken(sent(Self.second), sent(Self.first), sent(Self.second, refusal: "nonce too low: 3"))
        .isEmpty)
    // A new life begins behind all that the chain counts, but not behind what waits for a lost one.
    let conflict = sent(Self.second, refusal: "replacement transaction underpriced")
    let restart = HistoryEvent.lifeBegan(node: 0, life: 2)
    #expect(broken(sent(Self.first), restart, conflict) == [name])
    #expect(broken(sent(Self.first), restart, sent(Self.other, nonce: 2), conflict).isEmpty)
    #expect(broken(sent(Self.first), sent(Self.other, nonce: 2), conflict) == [name])
  }

  @Test("A receipt of a block that is not on the chain breaks a promise")
  func receipts() {
    let name = "confirmed transactions stay on the chain"
    let confirmed = HistoryEvent.Confirmation(
      transaction: Self.first, block: 4, blockHash: Self.second)
    #expect(broken(.receipt(Self.first, block: 4, isOnChain: false)) == [name])
    #expect(broken(.receipt(Self.first, block: 4, isOnChain: true)).isEmpty)
    #expect(broken(.final(confirmed, isOnChain: false)) == [name])
    #expect(broken(.final(confirmed, isOnChain: true)).isEmpty)
  }

  @Test("Agents without heartbeats, and oracle and chain that differ, break promises")
  func agents() {
    #expect(broken(.registration(node: 0, sinceHeartbeat: 120)).isEmpty)
    #expect(broken(.registration(node: 0, sinceHeartbeat: 241)) == ["agents stay active"])
    #expect(
      broken(
        report(0, at: 9), .oracleTotals(node: 0, tokens: 0, reports: 1, proofs: []),
        .registration(node: 0, sinceHeartbeat: nil))
        == ["agents stay active", "oracle and chain agree"])
    #expect(
      broken(.contribution(node: 0, reported: 2, onChain: 3)) == ["oracle and chain agree"])
  }

  @Test("Coins that come from nowhere, or are paid twice, break promises")
  func coins() {
    #expect(broken(.rewards(distributed: 5, claimed: 3, pending: 2)).isEmpty)
    #expect(
      broken(.rewards(distributed: 5, claimed: 5, pending: 2)) == ["rewards are paid once"])
    #expect(
      broken(.coins(node: 0, .init(first: 9, spent: 2, claimed: 1, balance: 9)))
        == ["rewards are paid once"])
    #expect(broken(.coins(node: 0, .init(first: 9, spent: 2, claimed: 1, balance: 8))).isEmpty)
    #expect(broken(.supply(first: 9, made: 2, burnt: 1, held: 10)).isEmpty)
    #expect(broken(.supply(first: 9, made: 2, burnt: 1, held: 11)) == ["coins add up"])
  }
}
