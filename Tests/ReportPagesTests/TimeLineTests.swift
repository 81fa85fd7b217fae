import JSONValues
import ReportPages
import Testing

@Suite("Time line")
struct TimeLineTests {
  @Test("What happened at one place of a lane is one mark with its number, and nothing is lost")
  func merging() {
    let marks = (0..<50_000).map { index -> TimeLine.Mark in
      let kind: TimeLine.Mark.Kind = index % 10 == 0 ? .bad : .good
      return TimeLine.Mark(index % 2 == 0 ? "a" : "b", from: Double(index), kind, "\(index)")
    }
    func count(_ marks: [TimeLine.Mark]) -> Int { marks.reduce(0) { $0 + $1.count } }
    let line = TimeLine(lanes: ["b", "a"], marks: marks.shuffled(), bands: [], end: 60_000)
    #expect(line.lanes == ["b", "a"] && line.to == 60_000)
    #expect(count(line.marks) == 50_000)
    #expect(count(line.marks.filter { $0.kind == .bad }) == 5000)
    // Two lanes of two thousand places, of which one has marks of two kinds.
    #expect(line.marks.count <= 3 * 2001)
    #expect(line.marks.allSatisfy { $0.to >= $0.from })
  }

  @Test("Lanes that nobody named come last; a time line of nothing has a length")
  func lanes() {
    let line = TimeLine(
      lanes: ["x"],
      marks: [.init("z", from: 1, .plain, ""), .init("y", from: -2, to: 3, .bar, "")],
      bands: [], end: 0)
    #expect(line.lanes == ["x", "y", "z"] && line.from == -2 && line.to == 3)
    let empty = TimeLine(lanes: [], marks: [], bands: [], end: 0)
    #expect(empty.to > empty.from && empty.json["marks"] == [])
  }

  @Test("The plot has every mark and every band of the JSON, bands that are still on as well")
  func plot() throws {
    let bands = [
      FaultBand(part: "oracle", fault: "status <503>", from: 10, to: 20, ending: "used up"),
      FaultBand(part: "node-1", fault: "link cut", from: 30),
    ]
    let line = TimeLine(
      lanes: ["oracle"],
      marks: [
        .init("oracle", from: 5, to: 15, .bad, "one"), .init("oracle", from: 40, .good, "two"),
      ],
      bands: bands, end: 100)
    let text = line.plot("title").text
    #expect(text.split(separator: "class=\"band\"").count == 3)
    #expect(text.contains("data-from=\"5.0\" data-to=\"15.0\" data-count=\"1\""))
    #expect(text.contains("status &lt;503&gt;, from 0.01 s to 0.02 s (used up)"))
    #expect(text.contains("link cut, from 0.03 s to the end"))
    let faults = try #require(line.json["faults"]?.arrayValue)
    #expect(faults[0]["to_ms"] == JSON.decimal(20, places: 3) && faults[1]["to_ms"] == .null)
  }
}

@Suite("Ledger of nodes")
struct NodeLedgerTests {
  private func account(_ change: (inout NodeLedger.Account) -> Void) -> NodeLedger.Account {
    var account = NodeLedger.Account(node: "node-1", agent: "0x1")
    account.served = 8
    account.reported = 8
    account.acknowledged = 8
    change(&account)
    return account
  }

  @Test("An account whose columns agree balances, with contributions or without")
  func balanced() {
    let ledger = NodeLedger([
      account { _ in },
      account {
        $0.contributed = 6
        $0.paid = "5"
      },
    ])
    #expect(ledger.isBalanced && ledger.json["balanced"] == true)
    #expect(ledger.section.text.contains("data-balanced=\"true\""))
  }

  @Test("Each gap is named with its tokens and why")
  func gaps() throws {
    let lost = account {
      $0.reported = 3
      $0.acknowledged = 3
      $0.troubles = ["report 1 failed", "report 2 was not accepted: 503"]
    }
    let answerLost = account { $0.reported = 0 }
    let tooMuch = account { $0.contributed = 9 }
    let gift = account { $0.pending = "7" }
    let ledger = NodeLedger([lost, answerLost, tooMuch, gift])
    #expect(!ledger.isBalanced)
    let first = ledger.gaps(of: lost)
    #expect(first.map(\.tokens) == [5] && first[0].between == "served and reported")
    #expect(first[0].reason == "report 2 was not accepted: 503")
    #expect(ledger.gaps(of: answerLost).map(\.tokens) == [8, -8])
    #expect(ledger.gaps(of: tooMuch).map(\.between) == ["contributed and acknowledged"])
    #expect(ledger.gaps(of: gift).map(\.between) == ["contributed and paid"])
    let text = ledger.section.text
    #expect(text.contains("data-balanced=\"false\"") && text.contains("503"))
    #expect(text.contains("data-column=\"reported\">3</td>"))
  }
}
