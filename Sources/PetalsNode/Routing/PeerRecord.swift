/// What a client knows of one peer.
struct PeerRecord: Sendable {
  let transport: any BlockTransport
  /// What it serves; nil while it is not known, or no longer certain.
  private(set) var info: PeerInfo?
  private(set) var times = PeerTimes()
  /// Failures in a row.
  private(set) var failures = 0
  /// On the client's watch.
  private(set) var bannedUntil: Duration?
  /// Why it is not asked for anything now.
  private(set) var trouble: String?

  init(_ transport: any BlockTransport) { self.transport = transport }

  var peer: String { transport.peer }

  func isBanned(at now: Duration) -> Bool { bannedUntil.map { now < $0 } ?? false }

  /// It described itself.
  mutating func answered(_ info: PeerInfo, roundTrip: Duration?) {
    self.info = info.isReady ? info : nil
    trouble = info.isReady ? nil : "it is not ready: it loads or stops"
    times.hear(roundTrip: roundTrip, blockStep: info.blockStep)
  }

  /// It did not describe itself.
  ///
  /// One that refuses a connection costs nothing and may be starting: it is asked again by whoever
  /// needs it. One that says nothing costs the whole limit, and is left alone for a while.
  mutating func didNotAnswer(_ error: NodeError, at now: Duration, _ policy: RecoveryPolicy) {
    if error.code == .deadlineExceeded { return failed(error.message, at: now, policy) }
    info = nil
    trouble = error.message
  }

  /// It failed amid its work.
  ///
  /// What it serves is asked for again before it is trusted again: it may have been restarted.
  mutating func failed(_ reason: String, at now: Duration, _ policy: RecoveryPolicy) {
    failures += 1
    bannedUntil = now + policy.ban(after: failures)
    trouble = reason
    info = nil
  }

  /// It did what it was asked for, to the end.
  mutating func succeeded() { failures = 0 }

  mutating func learn(elapsed: Duration, answer: Duration, blocks: Int) {
    times.learn(elapsed: elapsed, answer: answer, blocks: blocks)
  }

  func candidate() -> RouteSearch.Candidate? {
    info.map {
      RouteSearch.Candidate(
        peer: peer, blocks: $0.blocks, maximumLength: $0.maximumLength, times: times)
    }
  }
}
