public import EthereumPrimitives
public import MockServing

/// What tests ask the oracle's journal.
extension Journal<OracleEntry> {
  /// The next report or registration that is accepted from an agent, at or after a position.
  /// - Throws: `CancellationError` when the task is cancelled before one comes.
  public func next(from agent: Address, after position: Int = 0) async throws -> OracleEntry {
    try await next(after: position) { $0.agent == agent && $0.isTaken }
  }

  /// Waits until so many reports and registrations were accepted, from one agent or from any.
  /// - Throws: `CancellationError` when the task is cancelled first.
  @discardableResult
  public func waitFor(count: Int, from agent: Address? = nil) async throws -> [OracleEntry] {
    try await wait(forCount: count) { $0.isTaken && (agent == nil || $0.agent == agent) }
  }

  /// The next accepted report or registration of an agent, or why there is none.
  /// - Parameters:
  ///   - agent: who is waited for.
  ///   - limit: how long.
  ///   - clock: what the time is measured on.
  /// - Throws: ``NothingCame`` with what came instead, or `CancellationError`.
  public func next(
    from agent: Address, within limit: Duration,
    on clock: any Clock<Duration> = ContinuousClock()
  ) async throws -> OracleEntry {
    let found: OracleEntry? = try await withThrowingTaskGroup(of: OracleEntry?.self) { group in
      group.addTask { try await self.next(from: agent) }
      group.addTask {
        try await clock.sleep(for: limit)
        return nil
      }
      defer { group.cancelAll() }
      return try await group.next() ?? nil
    }
    guard let found else {
      throw NothingCame(agent: agent, within: limit, nearMisses: nearMisses(of: agent))
    }
    return found
  }

  /// Requests that nearly were an agent's, each with the reason why it was not taken: refused ones
  /// in its name, and ones in another name with its signature.
  public func nearMisses(of agent: Address) -> [String] {
    entries.filter { $0.isNearMiss(of: agent) }.map { entry in
      "\(entry.request.method.rawValue) \(entry.request.path) was answered \(entry.status): "
        + (entry.refusal?.description ?? "no reason")
    }
  }
}

extension OracleEntry {
  /// Whether a report or a registration was taken.
  public var isTaken: Bool { accepted != nil || registered != nil }

  /// Whether it was refused, and speaks for an agent or has its signature.
  func isNearMiss(of agent: Address) -> Bool {
    guard let refusal else { return false }
    if self.agent == agent { return true }
    guard case .wrongSigner(let recovered, _) = refusal else { return false }
    return recovered == agent
  }

  /// About how many bytes of memory the entry holds.
  var byteCount: Int {
    let headers = request.headers.reduce(0) {
      $0 + $1.name.rawName.utf8.count + $1.value.utf8.count
    }
    return 512 + request.body.count + request.path.utf8.count + headers
      + (accepted?.proofs.count ?? 0) * 300
  }
}

/// Nothing of an agent was accepted in time; what came instead.
public struct NothingCame: Error, Sendable, Hashable, CustomStringConvertible {
  /// Who was waited for.
  public let agent: Address
  /// How long.
  public let within: Duration
  /// What nearly was what was waited for.
  public let nearMisses: [String]

  /// One line: who did not come, and why.
  public var description: String {
    "nothing of \(agent) was accepted within \(within); "
      + (nearMisses.isEmpty ? "nothing came that is like it" : nearMisses.joined(separator: "; "))
  }
}
