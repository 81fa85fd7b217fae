import Logging

/// Ends sessions with a summary, also those whose generation was given up.
final class SessionClosing: Sendable {
  /// How long a node may take to hear the end of a session.
  static let patience = Duration.seconds(5)

  private let tasks = TaskScope()
  private let clock: any Clock<Duration>
  private let logger: Logger

  init(clock: any Clock<Duration>, logger: Logger) {
    self.clock = clock
    self.logger = logger
  }

  /// Tells every node of a route what its session was for; nil summaries just end them.
  ///
  /// A node that had two sessions, for blocks apart from each other, hears it once: it counts once.
  /// A node that does not hear it has the session ended: the tokens are made, and their reader
  /// is not to suffer for it.
  func close(_ sessions: [any BlockSession], _ summary: SessionSummary?) async {
    var told: Set<String> = []
    await withDiscardingTaskGroup { group in
      for session in sessions {
        let isFirst = told.insert(session.peer).inserted
        group.addTask { await self.close(session, isFirst ? summary : nil) }
      }
    }
  }

  /// The same, from where nothing can be awaited.
  func closeLater(_ sessions: [any BlockSession], _ summary: SessionSummary?) {
    if sessions.isEmpty { return }
    tasks.spawn { await self.close(sessions, summary) }
  }

  /// Waits for what ``closeLater(_:_:)`` began.
  func wait() async { await tasks.wait() }

  private func close(_ session: any BlockSession, _ summary: SessionSummary?) async {
    defer { session.cancel() }
    guard let summary else { return }
    let late = NodeError(.deadlineExceeded, "no word within \(Self.patience)", peer: session.peer)
    do {
      _ = try await withDeadline(Self.patience, on: clock, orThrow: late) {
        try await session.finish(summary)
      }
    } catch {
      logger.warning("a session's summary did not arrive", metadata: ["error": "\(error)"])
    }
  }
}
