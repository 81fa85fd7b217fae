public import EthereumPrimitives

/// Thrown when nothing of an agent was accepted in time, or not enough, with what came instead.
public struct ReportWaitTimeout: Error, Sendable, Hashable, CustomStringConvertible {
  /// Who was waited for; nil for any agent.
  public let agent: Address?
  /// How long.
  public let within: Duration
  /// What nearly was what was waited for.
  public let nearMisses: [String]
  /// How many were accepted, and how many were waited for.
  private let progress: String

  init(
    agent: Address?, within: Duration, nearMisses: [String], accepted: Int = 0, of expected: Int = 1
  ) {
    self.agent = agent
    self.within = within
    self.nearMisses = nearMisses
    progress = accepted == 0 ? "nothing" : "\(accepted) instead of \(expected) reports"
  }

  /// One line: who did not come, and why.
  public var description: String {
    "\(progress) of \(agent?.description ?? "any agent") was accepted within \(within); "
      + nearMisses.listed
  }
}

/// Thrown when there is no record of an agent, with what came instead.
public struct MissingAgentRecord: Error, Sendable, Hashable, CustomStringConvertible {
  /// Whose record it would be.
  public let agent: Address
  /// What nearly was an accepted report.
  public let nearMisses: [String]

  /// One line: whose report was not accepted, and why.
  public var description: String {
    "the oracle has accepted no report of \(agent); " + nearMisses.listed
  }
}

extension [String] {
  /// The latest ten near misses, in one line.
  fileprivate var listed: String {
    let latest = suffix(10)
    guard !latest.isEmpty else { return "nothing came that is like it" }
    let earlier = count - latest.count
    return (earlier > 0 ? "\(earlier) that were not taken, and then " : "")
      + latest.joined(separator: "; ")
  }
}
