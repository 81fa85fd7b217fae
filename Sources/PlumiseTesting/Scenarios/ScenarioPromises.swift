/// Something that must be so in every scenario, whatever goes wrong in it.
public protocol ScenarioPromise: Sendable {
  /// What is promised, as a statement.
  var name: String { get }

  /// Where a history breaks the promise: one line each, the first one first; none if it is kept.
  ///
  /// Only the history decides: a promise can be checked again on one that was kept.
  func violations(in history: History) -> [String]
}

/// A promise that a history breaks.
public struct BrokenPromise: Hashable, Sendable, CustomStringConvertible {
  /// What was promised.
  public let promise: String
  /// Where it is broken.
  public let violation: String

  /// One line.
  public var description: String { "\(promise): \(violation)" }
}

extension History {
  /// What this history breaks of some promises, in their order.
  public func broken(_ promises: [any ScenarioPromise]) -> [BrokenPromise] {
    promises.flatMap { promise in
      promise.violations(in: self).map { BrokenPromise(promise: promise.name, violation: $0) }
    }
  }
}

/// The promises that a plan has unless it says otherwise.
public enum ScenarioPromises {
  /// All of them.
  public static let all: [any ScenarioPromise] = [
    GenerationsEnd(), IDsAsUndisturbed(), TokensCountedOnce(), ProofsArriveOnce(),
    ReportsTakenOnce(), NoncesUsedOnce(), ReceiptsOnChain(), AgentsStayActive(),
    OracleAndChainAgree(), RewardsPaidOnce(), CoinsAddUp(),
  ]

  /// Each generation goes through every block once, or its caller is told why not; nothing hangs, and no
  /// operation fails.
  struct GenerationsEnd: ScenarioPromise {
    var name: String { "every block is covered, or the caller is told" }

    func violations(in history: History) -> [String] {
      var (blockCount, violations): (Int, [String]) = (0, [])
      var open: Set<Int> = []
      for event in history.events {
        switch event {
        case .network(_, let blocks): blockCount = blocks
        case .generationBegan(let id, _, _): open.insert(id)
        case .generationFailed(let id, _, _): open.remove(id)
        case .generated(let id, _, let hops):
          open.remove(id)
          let end = hops.reduce(0) { $1.blocks.lowerBound == $0 ? $1.blocks.upperBound : -1 }
          if end != blockCount {
            let ranges = hops.map { "\($0.blocks)" }.joined(separator: ", ")
            violations.append("generation \(id) went through \(ranges)")
          }
        case .unended(let text): violations.append(text)
        case .operationFailed(let step, let reason): violations.append("step \(step): \(reason)")
        default: continue
        }
      }
      return violations + open.sorted().map { "generation \($0) never ended" }
    }
  }

  /// The ids of a generation are those of the whole model in one process; of one that failed, the first
  /// ones.
  struct IDsAsUndisturbed: ScenarioPromise {
    var name: String { "final ids equal an undisturbed run" }

    func violations(in history: History) -> [String] {
      var expected: [Int: [Int32]] = [:]
      for case .undisturbed(let id, let ids) in history.events { expected[id] = ids }
      return history.events.compactMap { event in
        switch event {
        case .generated(let id, let ids, _):
          guard let undisturbed = expected[id], ids != undisturbed else { return nil }
          return "generation \(id) gave \(ids), not \(undisturbed)"
        case .generationFailed(let id, let ids, _):
          guard let undisturbed = expected[id], !undisturbed.starts(with: ids) else { return nil }
          return "generation \(id) gave \(ids) before it failed, not the first of \(undisturbed)"
        default: return nil
        }
      }
    }
  }

  /// A node counts each session that it took the end of once, reports what it counted, and the oracle
  /// keeps what it took.
  struct TokensCountedOnce: ScenarioPromise {
    private struct Life: Hashable {
      let node: Int
      let life: Int
    }

    var name: String { "every acknowledged token is counted once" }

    func violations(in history: History) -> [String] {
      var counted: [Life: Int64] = [:]
      var reported: [Life: Int64] = [:]
      var last: [Int: Int64] = [:]
      var violations: [String] = []
      for event in history.events {
        switch event {
        case .counted(let node, let life, let tokens, _):
          counted[Life(node: node, life: life), default: 0] += Int64(tokens)
        case .report(let node, let number, let report) where report.isAccepted && number > 0:
          let life = Life(node: node, life: number)
          let (least, most) = (reported[life] ?? 0, counted[life] ?? 0)
          if report.tokens < least || report.tokens > most {
            violations.append(
              "node \(node) reported \(report.tokens) tokens, after \(least), of \(most) counted")
          }
          reported[life] = report.tokens
          last[node] = report.tokens
        case .lifeEnded(let node, let number, let crashed, let tokens):
          let life = Life(node: node, life: number)
          if tokens != counted[life] ?? 0 {
            violations.append(
              "node \(node) had counted \(tokens) tokens, but took \(counted[life] ?? 0)")
          }
          // Links may be cut at an earlier stop.
          let isLast = !history.events.contains(.lifeBegan(node: node, life: number + 1))
          if isLast, !crashed, tokens != reported[life] ?? 0 {
            violations.append(
              "node \(node) took \(tokens) tokens in its last life, the oracle took "
                + "\(reported[life] ?? 0)")
          }
        case .oracleTotals(let node, let tokens, _, _) where tokens != last[node] ?? 0:
          violations.append(
            "the oracle has \(tokens) tokens of node \(node), which reported \(last[node] ?? 0)")
        default: continue
        }
      }
      return violations
    }
  }

  /// Each proof of a session that a node took the end of reaches the oracle, and counts once.
  ///
  /// Crashes and lost answers neither lose nor double one. Sessions with the same input, output, and number
  /// of tokens have one proof, which the oracle cannot tell from one that is sent again.
  struct ProofsArriveOnce: ScenarioPromise {
    var name: String { "every proof reaches the oracle once" }

    func violations(in history: History) -> [String] {
      var made: [Int: [String: Int]] = [:]
      var violations: [String] = []
      for event in history.events {
        switch event {
        case .counted(let node, _, _, let proof?): made[node, default: [:]][proof] = 1
        case .oracleTotals(let node, _, _, let proofs):
          var left = made[node] ?? [:]
          for proof in proofs { left[proof, default: 0] -= 1 }
          for (proof, count) in left.sorted(by: { $0.key < $1.key }) where count != 0 {
            violations.append(
              "proof \(proof) of node \(node) is at the oracle "
                + (count > 0 ? "\(count) times too few" : "\(-count) times too often"))
          }
        default: continue
        }
      }
      return violations
    }
  }

  /// The oracle takes no report twice: the timestamps of an agent only grow.
  struct ReportsTakenOnce: ScenarioPromise {
    var name: String { "no report is taken twice" }

    func violations(in history: History) -> [String] {
      var last: [Int: Int64] = [:]
      var count: [Int: Int] = [:]
      var violations: [String] = []
      for event in history.events {
        switch event {
        case .report(let node, _, let report) where report.isAccepted:
          let timestamp = report.timestamp ?? 0
          if let before = last[node], timestamp <= before {
            violations.append("node \(node): a report of \(timestamp) was taken after \(before)")
          }
          last[node] = max(last[node] ?? 0, timestamp)
          count[node, default: 0] += 1
        case .oracleTotals(let node, _, let reports, _) where reports != count[node] ?? 0:
          violations.append(
            "the oracle has \(reports) reports of node \(node), and took \(count[node] ?? 0)")
        default: continue
        }
      }
      return violations
    }
  }
}
