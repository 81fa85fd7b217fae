package import JSONValues
package import ReportPages

/// What a report has of a network's events: the time line, the requests, the faults and the
/// ledger.
package struct NetworkHistory: Sendable {
  /// A node of the report.
  package struct Node: Sendable {
    /// The part that its events are of.
    package var name: String
    /// Its agent's address.
    package var agent: String?
    /// Tokens that it counted, where that is known otherwise than by events.
    package var served: Int?

    /// A node by its parts.
    package init(name: String, agent: String? = nil, served: Int? = nil) {
      self.name = name
      self.agent = agent
      self.served = served
    }
  }

  /// The events, oldest first.
  package let events: [WatchedEvent]
  /// When which fault was on.
  package let bands: [FaultBand]
  /// What was asked of the network, by its beginning.
  package let requests: [ReportedRequest]
  /// Everything that happened, a lane for each part.
  package let timeLine: TimeLine
  /// What became of the tokens of each node.
  package let ledger: NodeLedger

  /// A history of events.
  /// - Parameters:
  ///   - events: In their order.
  ///   - nodes: Those that the ledger is about, in their order.
  ///   - start: The report's beginning, in milliseconds since 1970.
  ///   - end: Its end, in milliseconds since 1970.
  package init(_ events: [WatchedEvent], nodes: [Node], from start: Double, to end: Double) {
    self.events = events
    bands = Self.faultBands(of: events, from: start)
    requests = Self.requests(events, from: start)
    ledger = NodeLedger(nodes.map { Self.account(of: $0, events) })
    timeLine = TimeLine(
      lanes: Self.lanes(events), marks: events.map { $0.mark(from: start) }, bands: bands,
      end: end - start)
  }

  /// How a network's history stands in `report.json`.
  package var members: [(String, JSON)] {
    [
      ("time_line", timeLine.json), ("ledger", ledger.json),
      ("requests", .integer(requests.count)), ("events", .integer(events.count)),
      (
        "passes",
        .array(
          Plot.thinned(moments, from: timeLine.from, to: timeLine.to).map(\.json))
      ),
    ]
  }

  /// The parts of a page that show it.
  package var sections: [HTML] {
    [
      HTML.section("Time line", timeLine.plot("What happened in each part")),
      requestSection, ledger.section, eventSection,
    ]
  }

  /// The requests whose time is known.
  private var moments: [Plot.Moment] {
    requests.compactMap { request in
      guard request.kind != .session, let milliseconds = request.milliseconds else { return nil }
      return Plot.Moment(
        time: request.from, value: milliseconds, succeeded: request.succeeded)
    }
  }

  private var requestSection: HTML {
    if requests.isEmpty { return "" }
    let counts = ReportedRequest.Kind.allCases.compactMap { kind -> [String]? in
      let all = requests.filter { $0.kind == kind }
      let failed = all.count { !$0.succeeded }
      return all.isEmpty ? nil : [kind.rawValue, "\(all.count)", "\(failed)"]
    }
    let rows = counts.map { cells -> HTML in
      "<tr>\(cells.map { cell -> HTML in "<td>\(cell)</td>" })</tr>"
    }
    return HTML.section(
      "Requests",
      """
      \(Plot.moments("Passes and generations by their time", moments, over: timeLine))
      \(timeLine.bandList)
      <table>\(HTML.head(["requests", "number", "that failed"]))<tbody>\(rows)</tbody></table>
      """)
  }

  /// The latest events; all are in `events.jsonl`.
  private var eventSection: HTML {
    if events.isEmpty { return "" }
    let latest = events.suffix(Self.listed)
    let rows = latest.map { event -> HTML in
      let mark = event.mark(from: events[0].time)
      return """
        <tr><td class="number">\(event.number)</td><td class="number">\(Plot.label(mark.to))</td>\
        <td>\(event.part)</td><td class="\(mark.kind.rawValue)">\(mark.text)</td></tr>
        """
    }
    let which =
      latest.count < events.count ? "The latest \(latest.count) of \(events.count)" : "All"
    return HTML.section(
      "Events",
      """
      <details><summary>\(which) events</summary>
      <table>\(HTML.head(["event", "ms", "part", "what"]))<tbody>\(rows)</tbody></table></details>
      """)
  }

  private static let listed = 500

  private static func lanes(_ events: [WatchedEvent]) -> [String] {
    let first = ["network", "page", "gateway", "oracle", "chain"]
    let present = Set(events.map(\.part))
    let others = present.subtracting(first).sorted {
      ($0.count, $0) < ($1.count, $1)
    }
    return first.filter { present.contains($0) } + others
  }
}

// MARK: - Faults

extension NetworkHistory {
  /// When which fault was on: from its order until it was taken back or used up, or its link was opened.
  /// - Parameters:
  ///   - events: In their order; others than those of faults, links and lives change nothing.
  ///   - start: The report's beginning, in milliseconds since 1970.
  package static func faultBands(of events: [WatchedEvent], from start: Double) -> [FaultBand] {
    var bands: [FaultBand] = []
    /// Places of the bands that are on, by the part and the id.
    var open: [String: [String: Int]] = [:]
    func end(_ part: String, _ id: String, _ time: Double, _ ending: String) {
      guard let index = open[part]?.removeValue(forKey: id) else { return }
      bands[index].to = time
      bands[index].ending = ending
    }
    for event in events {
      let (part, time) = (event.part, event.time - start)
      switch event.kind {
      case .fault(let news):
        let id = news.id ?? ""
        switch news.change {
        case .ordered:
          open[part, default: [:]][id] = bands.count
          bands.append(FaultBand(part: part, fault: news.order ?? "a fault", from: time))
        case .takenBack: end(part, id, time, "taken back")
        case .usedUp: end(part, id, time, "used up")
        case .cleared:
          for id in open[part]?.keys.sorted() ?? [] where id != linkID {
            end(part, id, time, "taken back")
          }
        }
      case .link(let news):
        end(part, linkID, time, news.state == .open ? "opened" : "changed")
        if news.state != .open {
          open[part, default: [:]][linkID] = bands.count
          let fault =
            news.milliseconds.map { "link slow by \($0) ms" } ?? "link \(news.state.rawValue)"
          bands.append(FaultBand(part: part, fault: fault, from: time))
        }
      case .life(let life) where life.state == .started && part != "links":
        // A process that starts has none of the faults that the one before it had.
        for id in open[part]?.keys.sorted() ?? [] where id != linkID {
          end(part, id, time, "ended with the process")
        }
      default: break
      }
    }
    return bands
  }

  /// No id of a fault: the state of the link itself.
  private static let linkID = "link"
}

// MARK: - Requests

extension NetworkHistory {
  private static func requests(_ events: [WatchedEvent], from start: Double) -> [ReportedRequest] {
    var requests: [ReportedRequest] = []
    var sessions: [String: Double] = [:]
    var generations: [Int: Double] = [:]
    for event in events {
      let (part, time) = (event.part, event.time - start)
      func add(
        _ kind: ReportedRequest.Kind, _ milliseconds: Double?, _ succeeded: Bool, _ text: String
      ) {
        requests.append(
          ReportedRequest(
            kind, part: part, from: time - (milliseconds ?? 0), milliseconds: milliseconds,
            succeeded: succeeded, text: text))
      }
      switch event.kind {
      case .session(let news):
        let name = "\(part) \(news.session)"
        switch news.state {
        case .opened: sessions[name] = time
        case .step:
          add(.pass, news.milliseconds, true, "\(news.tokens ?? 0) tokens through \(news.blocks)")
        case .finished: break
        case .ended:
          if let began = sessions.removeValue(forKey: name) {
            add(.session, time - began, true, "session \(news.session) through \(news.blocks)")
          }
        }
      case .generation(let news):
        switch news.state {
        case .began: generations[news.generation] = time
        case .token: break
        case .ended, .failed:
          let began = generations.removeValue(forKey: news.generation)
          add(
            .generation, news.milliseconds ?? began.map { time - $0 }, news.state == .ended,
            "generation \(news.generation): \(news.reason ?? "")")
        }
      case .request(let answer):
        let isGood = ![.refused, .unknown].contains(answer.outcome)
        add(.oracle, nil, isGood, event.summary)
      case .block(let block):
        for sent in block.transactions {
          add(
            .chain, nil, sent.succeeded,
            "\(sent.call) of \(sent.from)" + (sent.reason.map { ": \($0)" } ?? ""))
        }
      default: break
      }
    }
    return requests.sorted { $0.from < $1.from }
  }
}

// MARK: - Ledger

extension NetworkHistory {
  /// A counter that begins anew with each process: what it reached in all of them.
  private struct Counter {
    private var earlier = 0
    private var current = 0

    mutating func set(_ value: Int) {
      // A counter that is less than before has begun anew.
      if value < current { restart() }
      current = value
    }

    mutating func restart() {
      earlier += current
      current = 0
    }

    var total: Int { earlier + current }
  }

  private static func account(of node: Node, _ events: [WatchedEvent]) -> NodeLedger.Account {
    var account = NodeLedger.Account(node: node.name, agent: node.agent)
    var (reported, acknowledged) = (Counter(), Counter())
    let agent = node.agent?.lowercased()
    for event in events {
      let isOwn = event.part == node.name
      switch event.kind {
      case .session(let news) where isOwn && news.state == .finished:
        account.served += news.tokens ?? 0
      case .life(let life) where isOwn && life.state == .started:
        reported.restart()
        acknowledged.restart()
      case .life(let life) where isOwn && life.state == .killed:
        account.troubles.append("the node was killed")
      case .agent(let act) where isOwn:
        if act.act == .reported, let tokens = act.tokens { reported.set(tokens) }
        if act.act == .trouble, let detail = act.detail, detail.hasPrefix("report ") {
          account.troubles.append(detail)
        }
      case .standing(let standing) where isOwn:
        (account.paid, account.pending) = (standing.paid, standing.pending)
      case .request(let answer) where agent != nil && answer.agent?.lowercased() == agent:
        if answer.outcome == .accepted, let tokens = answer.tokens { acknowledged.set(tokens) }
        if answer.outcome == .refused {
          account.troubles.append("the oracle answered \(answer.status): \(answer.reason ?? "")")
        }
      case .block(let block):
        for sent in block.transactions where sent.succeeded {
          account.contributed = sum(account.contributed, contributedTokens(of: agent, in: sent))
        }
      default: break
      }
    }
    account.served = node.served ?? account.served
    account.reported = reported.total
    account.acknowledged = acknowledged.total
    return account
  }

  /// A sum that ends at the largest number: contributions say what their senders like.
  private static func sum(_ left: Int, _ right: Int) -> Int {
    let (sum, overflow) = left.addingReportingOverflow(right)
    return overflow ? .max : sum
  }

  /// The tokens of a contribution for an agent: the fifth argument of
  /// `reportContribution(address,…)`.
  private static func contributedTokens(of agent: String?, in sent: BlockNews.Sent) -> Int {
    guard sent.call.hasPrefix("reportContribution("), let agent else { return 0 }
    let arguments = (sent.detail ?? "").split(separator: ", ")
    guard arguments.count > 4, arguments[0].lowercased() == agent else { return 0 }
    return Int(arguments[4]) ?? 0
  }
}
