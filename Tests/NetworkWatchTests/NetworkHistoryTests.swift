import JSONValues
import NetworkWatch
import ReportPages
import Testing

@Suite("History of a network")
struct NetworkHistoryTests {
  private static let agent = "0xAb"

  /// A history of events a millisecond apart, from 1000 on.
  private func history(
    _ events: (part: String, kind: WatchedKind)..., served: Int? = nil
  ) -> NetworkHistory {
    let stream = EventStream()
    for event in events { stream.record(event.part, event.kind) }
    let timed = stream.kept.enumerated().map { index, event in
      var event = event
      event.time = 1000 + Double(index)
      return event
    }
    return NetworkHistory(
      timed, nodes: [.init(name: "node-1", agent: Self.agent, served: served)], from: 1000,
      to: 1100)
  }

  private func session(_ state: SessionNews.State, tokens: Int? = nil) -> WatchedKind {
    .session(
      SessionNews(
        "s", state, blocks: "0-11", tokens: tokens, milliseconds: state == .step ? 0.5 : nil,
        sessions: 1, cacheBytes: 0, cacheBudget: 0))
  }

  private func reported(_ tokens: Int) -> WatchedKind {
    .agent(AgentAct(.reported, tokens: tokens))
  }

  private func accepted(_ tokens: Int) -> WatchedKind {
    .request(
      OracleAnswer(
        method: "POST", path: "/api/v1/report", status: 200, outcome: .accepted, agent: "0xAB",
        tokens: tokens))
  }

  @Test("A fault is on from its order until it is used up, taken back, or its link is opened")
  func bands() {
    let found = history(
      ("oracle", .fault(FaultNews(.ordered, id: "0", order: "first"))),
      ("oracle", .fault(FaultNews(.ordered, id: "1", order: "second"))),
      ("chain", .fault(FaultNews(.ordered, id: "0", order: "third"))),
      ("oracle", .fault(FaultNews(.usedUp, id: "0"))),
      ("node-1", .link(LinkNews(.slow, milliseconds: 5))),
      ("node-1", .link(LinkNews(.cut))),
      ("oracle", .fault(FaultNews(.cleared))),
      ("node-1", .link(LinkNews(.open))),
      ("chain", .life(PartLife(.started))),
      ("links", .fault(FaultNews(.ordered, id: "node-1:1", order: "fourth")))
    ).bands
    #expect(
      found == [
        FaultBand(part: "oracle", fault: "first", from: 0, to: 3, ending: "used up"),
        FaultBand(part: "oracle", fault: "second", from: 1, to: 6, ending: "taken back"),
        FaultBand(
          part: "chain", fault: "third", from: 2, to: 8, ending: "ended with the process"),
        FaultBand(part: "node-1", fault: "link slow by 5 ms", from: 4, to: 5, ending: "changed"),
        FaultBand(part: "node-1", fault: "link cut", from: 5, to: 7, ending: "opened"),
        FaultBand(part: "links", fault: "fourth", from: 9),
      ])
  }

  @Test("Sessions, passes, generations, answers of the oracle and transactions are requests")
  func requests() {
    var began = GenerationNews(1, .began)
    began.prompt = "a"
    var failed = GenerationNews(1, .failed)
    failed.reason = "cut"
    let sent = BlockNews.Sent(
      hash: "0x1", from: "0x2", to: nil, call: "creation", succeeded: false, reason: "no", gas: 1)
    let history = history(
      ("page", .generation(began)), ("node-1", session(.opened)),
      ("node-1", session(.step, tokens: 3)), ("node-1", session(.ended)),
      ("page", .generation(failed)),
      (
        "oracle",
        .request(
          OracleAnswer(method: "POST", path: "/x", status: 403, outcome: .refused, reason: "r"))
      ),
      ("chain", .block(BlockNews(height: 1, hash: "h", timestamp: 1, gas: 1, transactions: [sent])))
    )
    let found = history.requests
    #expect(found.map(\.kind) == [.generation, .session, .pass, .oracle, .chain])
    #expect(found.map(\.milliseconds) == [4, 2, 0.5, nil, nil])
    #expect(found.map(\.succeeded) == [false, true, true, false, false])
    #expect(found[2].from == 1.5 && found[4].text == "creation of 0x2: no")
    let passes = JSON.object(JSONObject(uniqueMembers: history.members))["passes"]?.arrayValue
    #expect(passes?.count == 2)
    #expect(history.timeLine.lanes == ["page", "oracle", "chain", "node-1"])
  }

  @Test(
    "What a node serves, reports and has acknowledged is added up over its starts, and balances")
  func balanced() throws {
    let ledger = history(
      ("node-1", .life(PartLife(.started))), ("node-1", session(.finished, tokens: 8)),
      ("node-1", reported(8)), ("oracle", accepted(8)), ("node-1", .life(PartLife(.killed))),
      ("node-1", .life(PartLife(.started))), ("node-1", session(.finished, tokens: 4)),
      ("oracle", accepted(3)), ("node-1", reported(3)), ("oracle", accepted(4)),
      ("node-1", reported(4))
    ).ledger
    let account = try #require(ledger.accounts.first)
    #expect((account.served, account.reported, account.acknowledged) == (12, 12, 12))
    #expect(ledger.isBalanced)
  }

  @Test("A report that is lost shows where and why the ledger does not balance")
  func lost() throws {
    let trouble = AgentAct(.trouble, detail: "report 2 was not accepted: 503")
    let ledger = history(
      ("node-1", session(.finished, tokens: 3)), ("oracle", accepted(3)), ("node-1", reported(3)),
      ("node-1", session(.finished, tokens: 5)), ("node-1", .agent(trouble))
    ).ledger
    let gaps = ledger.gaps(of: try #require(ledger.accounts.first))
    #expect(gaps.map(\.tokens) == [5] && gaps.map(\.reason) == [trouble.detail])
    let answerLost = history(
      ("node-1", session(.finished, tokens: 3)), ("oracle", accepted(3)), served: 3
    ).ledger
    #expect(
      answerLost.gaps(of: answerLost.accounts[0]).map(\.between) == [
        "served and reported", "reported and acknowledged",
      ])
  }

  @Test("Tokens that the chain was told of count for their agent, unless the call was reverted")
  func contributions() throws {
    func contribution(_ tokens: Int, _ succeeded: Bool) -> BlockNews.Sent {
      BlockNews.Sent(
        hash: "0x", from: "0x9", to: "0x8",
        call: "reportContribution(address,uint256,uint256,uint256,uint256,uint256)",
        detail: "0xab, 1, 60, 100, \(tokens), 7", succeeded: succeeded, gas: 1)
    }
    let block = BlockNews(
      height: 1, hash: "h", timestamp: 1, gas: 1,
      transactions: [contribution(3, true), contribution(50, false), contribution(2, true)])
    let standing = AgentStanding(
      agent: Self.agent, name: "", registered: true, active: true, lastHeartbeat: 1, paid: "10",
      pending: "20", balance: "0")
    let account = try #require(
      history(("chain", .block(block)), ("node-1", .standing(standing))).ledger.accounts.first)
    #expect(account.contributed == 5 && account.paid == "10" && account.pending == "20")
  }

  @Test("Every kind of event has a line and a mark", arguments: EventStreamTests.all)
  func marks(_ kind: WatchedKind) {
    let event = WatchedEvent("node-1", kind)
    #expect(!event.summary.isEmpty)
    let mark = event.mark(from: event.time - 10)
    #expect(mark.to == 10 && mark.from <= mark.to && mark.lane == "node-1")
  }
}
