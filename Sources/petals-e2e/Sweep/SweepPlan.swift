import ArgumentParser
import Bloom

/// What a sweep goes over: `nodes=1-4,splits=6/18,sessions=1,2,4-8`.
package struct SweepPlan: Sendable, Hashable {
  /// How many of each there may be.
  static let (mostNodes, mostSessions, mostPoints) = (256, 1024, 1000)

  /// Numbers of nodes that share the blocks evenly.
  package var nodes: [Int] = []
  /// How many blocks each node has.
  package var splits: [[Int]] = []
  /// Numbers of users at a time.
  package var sessions: [Int] = []

  /// Whether it starts nodes of its own.
  var startsNodes: Bool { !nodes.isEmpty || !splits.isEmpty }

  /// - Throws: `ValidationError` where it cannot be combined with other options.
  func validate(
    targets: Int, startsNetwork: Bool, isSoak: Bool, keepsRequests: Bool
  ) throws {
    if isSoak || keepsRequests || startsNetwork {
      throw ValidationError("--sweep cannot be combined with --soak, --requests and --network")
    }
    if startsNodes, targets > 0 {
      throw ValidationError("--sweep over nodes starts them itself: leave out --target")
    }
    if !startsNodes, targets == 0 {
      throw ValidationError("--sweep over sessions alone needs a --target, or nodes=1 as well")
    }
  }

  /// The blocks of each node, for every network that the sweep starts.
  /// - Throws: `CommandFailure` (wrong input) for a split that the model does not have.
  func networks(blockCount: Int) throws -> [[BlockRange]] {
    let even = try nodes.map { count in
      try CommandFailure.checkingInput { try BlockRange.split(blockCount: blockCount, into: count) }
    }
    let uneven = try splits.map { sizes in
      guard sizes.reduce(0, +) == blockCount else {
        throw CommandFailure.wrongInput(
          "--sweep splits=\(sizes.map(String.init).joined(separator: "/")) has "
            + "\(sizes.reduce(0, +)) blocks, and the model has \(blockCount)")
      }
      var start = 0
      return try sizes.map { size in
        defer { start += size }
        return try CommandFailure.checkingInput {
          try BlockRange(start..<start + size, of: blockCount)
        }
      }
    }
    return even + uneven
  }
}

/// Sweeps on the command line.
package struct SweepPlanLimits: OptionLimits {
  package init() {}

  package var limits: String {
    "nodes=1-4, splits=6/18 and sessions=1,2,4-8, with commas between, up to "
      + "\(SweepPlan.mostPoints) loads"
  }
  package var expectation: String {
    "a sweep is \(limits), with up to \(SweepPlan.mostNodes) nodes and "
      + "\(SweepPlan.mostSessions) sessions"
  }

  package func value(_ text: String) -> SweepPlan? {
    var plan = SweepPlan()
    var key: Substring = ""
    for part in text.split(separator: ",", omittingEmptySubsequences: false) {
      let halves = part.split(separator: "=", omittingEmptySubsequences: false)
      guard halves.count <= 2, let item = halves.last else { return nil }
      if halves.count == 2 { key = halves[0] }
      switch key {
      case "nodes":
        guard let range = range(item, SweepPlan.mostNodes) else { return nil }
        plan.nodes += range
      case "sessions":
        guard let range = range(item, SweepPlan.mostSessions) else { return nil }
        plan.sessions += range
      case "splits":
        let sizes = item.split(separator: "/", omittingEmptySubsequences: false)
          .map { number($0, SweepPlan.mostNodes) }
        guard !sizes.contains(nil) else { return nil }
        plan.splits.append(sizes.compactMap { $0 })
      default: return nil
      }
    }
    if plan.sessions.isEmpty { plan.sessions = [1] }
    let lists = [plan.nodes, plan.sessions]
    guard lists.allSatisfy({ Set($0).count == $0.count }),
      Set(plan.splits).count == plan.splits.count,
      max(1, plan.nodes.count + plan.splits.count) * plan.sessions.count <= SweepPlan.mostPoints
    else { return nil }
    plan.sessions.sort()
    return plan
  }

  private func number(_ text: Substring, _ most: Int) -> Int? {
    guard text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
    return Int(text).flatMap { (1...most).contains($0) ? $0 : nil }
  }

  private func range(_ text: Substring, _ most: Int) -> [Int]? {
    let ends = text.split(separator: "-", omittingEmptySubsequences: false).map {
      number($0, most)
    }
    guard (1...2).contains(ends.count), let first = ends[0], let last = ends[ends.count - 1],
      first <= last
    else { return nil }
    return Array(first...last)
  }
}

extension OptionLimits where Self == SweepPlanLimits {
  static var sweep: Self { SweepPlanLimits() }
}
