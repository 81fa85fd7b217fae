package import ReportPages

extension WatchedEvent {
  /// The event in a line, in the page's words.
  package var summary: String {
    switch kind {
    case .life(let life):
      return "\(life.state.rawValue)" + (life.url.map { " on \($0)" } ?? "")
        + (life.reason.map { ": \($0)" } ?? "")
    case .agent(let act):
      return act.act.rawValue + (act.tokens.map { " \($0) tokens" } ?? "")
        + (act.detail.map { ": \($0)" } ?? "")
    case .standing(let standing):
      return "\(standing.active ? "active" : "not active") on the chain, \(standing.pending) wei "
        + "pending, \(standing.paid) wei paid"
    case .session(let news):
      let tokens = news.tokens.map { " \($0) tokens" } ?? ""
      let time = news.milliseconds.map { " in \(Plot.label($0)) ms" } ?? ""
      return "session \(news.session.prefix(6)) \(news.state.rawValue)\(tokens)\(time)"
    case .request(let answer):
      return "\(answer.method) \(answer.path) \(answer.status) \(answer.outcome.rawValue)"
        + (answer.reason.map { ": \($0)" } ?? "")
    case .block(let block):
      let calls = block.transactions.map { $0.call + ($0.succeeded ? "" : " (reverted)") }
      return "block \(block.height): " + (calls.isEmpty ? "empty" : calls.joined(separator: ", "))
    case .fault(let news):
      return "fault \(news.change.rawValue)"
        + ((news.order ?? news.id).map { ": \($0)" } ?? "")
    case .link(let news):
      return "link \(news.state.rawValue)" + (news.milliseconds.map { " by \($0) ms" } ?? "")
    case .clock(let news): return "the chain's clock was moved by \(news.seconds) seconds"
    case .generation(let news):
      let detail = news.prompt ?? news.reason ?? news.token.map { "\($0)" }
      return "generation \(news.generation) \(news.state.rawValue)"
        + (detail.map { ": \($0)" } ?? "")
    case .check(let check):
      return "\(check.passed ? "passed" : "failed"): \(check.title) \(check.detail)"
    case .load(let load):
      return "load on \(load.target): \(load.ended) requests ended, \(load.failed) of them failed"
    }
  }

  /// The event on a time line.
  /// - Parameter start: The time line's beginning, in milliseconds since 1970.
  package func mark(from start: Double) -> TimeLine.Mark {
    let end = time - start
    return TimeLine.Mark(part, from: end - length, to: end, markKind, summary)
  }

  /// How long before its time it began, in milliseconds.
  private var length: Double {
    switch kind {
    case .check(let check): check.milliseconds
    case .session(let news) where news.state == .step: news.milliseconds ?? 0
    case .generation(let news) where news.state == .ended: news.milliseconds ?? 0
    default: 0
    }
  }

  private var markKind: TimeLine.Mark.Kind {
    switch kind {
    case .life(let life): life.state == .killed || life.state == .failed ? .bad : .good
    case .agent(let act): act.act == .trouble ? .bad : .good
    case .standing, .clock: .plain
    case .load(let load): load.failed > 0 ? .bad : .plain
    case .session: .bar
    case .generation(let news): news.state == .failed ? .bad : .bar
    case .request(let answer):
      switch answer.outcome {
      case .accepted, .registered: .good
      case .served: .plain
      case .refused, .unknown: .bad
      }
    case .block(let block): block.transactions.allSatisfy(\.succeeded) ? .good : .bad
    case .fault, .link: .warn
    case .check(let check): check.passed ? .good : .bad
    }
  }
}
