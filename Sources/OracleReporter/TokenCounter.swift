/// The token counter as an oracle sees it, which takes reports up to a limit only.
///
/// The deployed oracle refuses a report of more than 1 000 000 000 tokens, so that a cumulative
/// counter would be refused for ever once it is there. It also takes a counter below the last one for
/// a restart, and then counts all of it. So the counter is started again: at what was not accepted
/// yet, as soon as it is known what was, and as long as that is below the last value.
struct TokenCounter: Sendable, Hashable {
  /// The most that a report may carry; nil for no limit.
  let limit: Int64?
  /// Where the counter was started again, in tokens of the collector.
  private var base: Int64 = 0
  /// How many tokens of the collector the oracle has accepted at least.
  private var accepted: Int64 = 0
  /// Whether the last accepted report had no room for all tokens.
  private(set) var isBehind = false

  /// What a report says.
  struct Reading: Sendable, Hashable {
    /// The value that is reported.
    let value: Int64
    /// Where the counter was started that shows it.
    let base: Int64
    /// Whether it was started again for this report.
    let isRestart: Bool
    /// Whether it shows less than the collector has, for lack of room.
    var isCut = false
  }

  init(limit: Int64?) {
    self.limit = limit
  }

  /// The value to report.
  /// - Parameters:
  ///   - total: the collector's tokens; never less than before.
  ///   - isCertain: whether the fate of every earlier report is known.
  func reading(of total: Int64, isCertain: Bool) -> Reading {
    guard let limit, total - base > limit else {
      return Reading(value: total - base, base: base, isRestart: false)
    }
    let missing = total - accepted
    if isCertain, missing < accepted - base {
      return Reading(value: missing, base: accepted, isRestart: true)
    }
    if isCertain, accepted - base >= limit {
      // A part that is below the last value, for a start; the rest follows.
      return Reading(value: limit - 1, base: accepted, isRestart: true, isCut: true)
    }
    // Up to the limit first: the rest follows in the next report, from a new start.
    return Reading(value: limit, base: base, isRestart: false, isCut: true)
  }

  /// Notes that the oracle has accepted a value.
  mutating func accept(_ reading: Reading) {
    base = reading.base
    accepted = max(accepted, reading.base + reading.value)
    isBehind = reading.isCut
  }

  /// Notes that a value was sent whose fate is not known: the oracle may go on from there.
  mutating func mayHaveBeenAccepted(_ reading: Reading) { base = reading.base }
}
