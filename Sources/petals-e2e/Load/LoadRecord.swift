import PlumiseWire

/// One request of a load, and what became of it; times are seconds from the load's beginning.
struct LoadRecord: Sendable {
  /// Counts the requests from 0 on.
  let index: Int
  /// Which of the targets it went to, from 0 on.
  var stream = 0
  /// When it was due; in a closed loop when it was sent.
  let due: Double
  /// When it was sent.
  var sent: Double
  /// When its answer, or its failure, was whole.
  var end: Double
  /// When each of its tokens came, where they are streamed.
  var tokens: [Double] = []
  /// How many tokens its answer has, streamed or not.
  var tokenCount = 0
  /// How long its prompt was made, in tokens; nil where none was.
  var promptTokens: Int?
  /// How many tokens it asked for.
  var newTokens: Int?
  /// Why it failed; nil when it did not.
  var failure: String?

  var isGood: Bool { failure == nil }

  /// A time of the request in milliseconds; nil where it has none, as one without tokens.
  func value(_ measure: LoadMeasure) -> Double? {
    switch measure {
    case .e2el: 1000 * (end - due)
    case .ttft: tokens.first.map { 1000 * ($0 - due) }
    case .tpot:
      tokens.count < 2
        ? nil : 1000 * (tokens[tokens.count - 1] - tokens[0]) / Double(tokens.count - 1)
    case .itl: nil
    }
  }

  /// From each token to the next, in milliseconds.
  var interTokenMilliseconds: [Double] { zip(tokens, tokens.dropFirst()).map { 1000 * ($1 - $0) } }

  /// One line of the file of requests.
  /// - Parameters:
  ///   - isCounted: Whether the figures count it, which those of the warm-up are not.
  ///   - target: Where it went.
  func json(isCounted: Bool, target: String) -> JSON {
    var object: JSONObject = [
      "index": .integer(index), "target": .string(target), "counted": .bool(isCounted),
      "ok": .bool(isGood),
      "due_ms": .decimal(1000 * due, places: 3), "sent_ms": .decimal(1000 * sent, places: 3),
    ]
    for measure in [LoadMeasure.ttft, .tpot, .e2el] {
      if let value = value(measure) {
        object[measure.rawValue + "_ms"] = .decimal(value, places: 3)
      }
    }
    if let promptTokens { object["prompt_tokens"] = .integer(promptTokens) }
    if let newTokens { object["max_tokens"] = .integer(newTokens) }
    if tokenCount > 0 { object["tokens"] = .integer(tokenCount) }
    if !tokens.isEmpty {
      object["itl_ms"] = .array(interTokenMilliseconds.map { .decimal($0, places: 3) })
    }
    if let failure { object["failure"] = .string(failure) }
    return .object(object)
  }
}
