/// Decides whether a batch waits for the sessions that are about to bring their next piece of work.
///
/// A pass reads all weights, whether it serves one session or eight. Sessions that came at different times would
/// never share one: each finds the others' pass under way, and gets the next one for itself. So a batch that
/// could begin waits for a session that is away, from the answer that it got to the work that it brings next,
/// where that pays:
///
/// - The session's usual absence is not longer than twice that of the sessions that wait, and a pass. All of them
///   can then make tokens about as fast as each could alone; a session with a slow client does not hold up others.
/// - It is due soon after the time at which the batch could have begun: within ``client`` passes where a client
///   chooses its generations' tokens, within ``node`` passes at a node. When it is late by half its absence, it is
///   waited for no longer.
///
/// All generations of a client meet where it chooses their tokens, so that they set off together from there, and
/// come together to each node. Were nodes as patient, two sessions at different ones would each wait for the
/// other. A session alone waits for nobody.
package struct Lockstep<ID: Hashable & Sendable>: Sendable {
  private struct Session: Sendable {
    /// When it got its last answer; nil while its work is here.
    var awaySince: Duration?
    /// How long it was away when it was away least, of late; nil before it came back once.
    ///
    /// The least: in the rest it waited itself.
    var absence: Duration?
  }

  /// Passes that the choice of a client's tokens may wait for its other generations.
  package static var client: Double { 6 }
  /// Passes that a node may wait for its other sessions.
  package static var node: Double { 1.5 }

  /// What nobody is late by: a clock that stands still shows nothing else of a session that is away.
  private static var tolerance: Duration { .microseconds(1) }

  private let patience: Double
  private var sessions: [ID: Session] = [:]
  /// How long a batch took, smoothed; nil before the first one.
  private var pass: Duration?

  /// A policy that knows of no session.
  /// - Parameter patience: Passes that a batch may wait at most.
  package init(patience: Double) { self.patience = patience }

  /// A session brought work.
  package mutating func arrive(_ id: ID, at now: Duration) {
    var session = sessions[id] ?? Session()
    if let since = session.awaySince {
      let absence = now - since
      session.absence = session.absence.map { min(absence, $0 + $0 / 10) } ?? absence
    }
    session.awaySince = nil
    sessions[id] = session
  }

  /// A batch gave sessions their answers.
  package mutating func answer(_ ids: [ID], after pass: Duration, at now: Duration) {
    self.pass = self.pass.map { ($0 + pass) / 2 } ?? pass
    for id in ids { sessions[id]?.awaySince = now }
  }

  /// A session brings no more work, or nobody knows when.
  package mutating func leave(_ id: ID) { sessions[id] = nil }

  /// When a batch begins at the latest that could begin now.
  ///
  /// - Parameters:
  ///   - waiting: The sessions whose work waits.
  ///   - ready: Since when the batch could have begun.
  /// - Returns: Nil when there is nobody to wait for.
  package func deadline(waiting: [ID], ready: Duration, now: Duration) -> Duration? {
    guard let pass else { return nil }
    // One that came for the first time is as good as any.
    let longest = waiting.compactMap { sessions[$0]?.absence }.max() ?? .zero
    let expected = sessions.values.compactMap { session -> Duration? in
      guard let since = session.awaySince, let absence = session.absence else { return nil }
      let due = since + absence + absence / 2 + pass / 2 + Self.tolerance
      let isAlike = absence <= longest * 2 + pass
      let isSoon = since + absence <= ready + pass * patience
      return isAlike && isSoon && due > now ? due : nil
    }
    return expected.max()
  }
}
