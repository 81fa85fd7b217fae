extension WatchedKind {
  /// How many characters (Unicode scalars) of a text an event has at most.
  package static let longestText = 1000

  /// The same with texts that are not too long: prompts, paths, calls and reasons come from outside, and an event
  /// is kept, sent to every reader and drawn.
  var bounded: WatchedKind {
    switch self {
    case .life(var life):
      life.reason = life.reason?.shortened
      return .life(life)
    case .agent(var act):
      act.detail = act.detail?.shortened
      return .agent(act)
    case .standing(var standing):
      standing.name = standing.name.shortened
      return .standing(standing)
    case .request(var answer):
      answer.method = answer.method.shortened
      answer.path = answer.path.shortened
      answer.reason = answer.reason?.shortened
      answer.notes = answer.notes.prefix(20).map(\.shortened)
      return .request(answer)
    case .block(var block):
      for index in block.transactions.indices {
        let sent = block.transactions[index]
        block.transactions[index].detail = sent.detail?.shortened
        block.transactions[index].reason = sent.reason?.shortened
      }
      return .block(block)
    case .fault(var news):
      news.order = news.order?.shortened
      return .fault(news)
    case .generation(var news):
      news.prompt = news.prompt?.shortened
      news.reason = news.reason?.shortened
      return .generation(news)
    case .check(var check):
      check.detail = check.detail.shortened
      return .check(check)
    case .session, .link, .clock, .load: return self
    }
  }
}

extension String {
  /// The text, or of one that is too long its beginning and how long it is.
  fileprivate var shortened: String {
    // Fewer bytes than that cannot be more characters; most texts are told by that.
    guard utf8.count > WatchedKind.longestText,
      let end = unicodeScalars.index(
        unicodeScalars.startIndex, offsetBy: WatchedKind.longestText,
        limitedBy: unicodeScalars.endIndex), end < unicodeScalars.endIndex
    else { return self }
    return "\(String(unicodeScalars[..<end]))… (\(utf8.count) bytes)"
  }
}
