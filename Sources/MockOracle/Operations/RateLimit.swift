import EthereumPrimitives
import PlumiseWire
import Synchronization

/// How many reports an agent may send: so many at once, and then so many in a time.
public struct RateLimit: Sendable, Hashable {
  /// How many reports may come at once.
  public let burst: Int
  /// In what time as many may come again.
  public let period: Duration

  /// A limit of at least one report.
  public init(burst: Int, per period: Duration) {
    precondition(burst > 0, "a rate of \(burst) reports")
    precondition(period > .zero, "a rate in \(period)")
    self.burst = burst
    self.period = period
  }
}

/// Limits the reports of each agent, by a token bucket for each.
final class RateLimiter: Sendable {
  private struct Bucket {
    var level: Double
    var seenAt: Duration
  }

  /// How many buckets are kept before the full ones are dropped.
  private static let capacity = 10_000

  private let limit: RateLimit
  private let buckets: Mutex<[Address: Bucket]>

  init(_ limit: RateLimit) {
    self.limit = limit
    buckets = Mutex([:])
  }

  /// Consumes a token for one report.
  /// - Returns: nil, or the seconds after which the next report may come: at least 1.
  func consume(from agent: Address, at now: Duration) -> Int64? {
    buckets.withLock { held in
      if held.count >= Self.capacity, held[agent] == nil {
        held = held.filter { self.level(of: $0.value, at: now) < Double(limit.burst) }
      }
      let bucket = held[agent] ?? Bucket(level: Double(limit.burst), seenAt: now)
      let available = self.level(of: bucket, at: now)
      guard available >= 1 else {
        held[agent] = Bucket(level: available, seenAt: now)
        let missing = (1 - available) * (limit.period / .seconds(1)) / Double(limit.burst)
        return max(1, Int64(saturating: missing.rounded(.up)))
      }
      held[agent] = Bucket(level: available - 1, seenAt: now)
      return nil
    }
  }

  private func level(of bucket: Bucket, at now: Duration) -> Double {
    // A clock that runs back fills nothing.
    let passed = max(.zero, now - bucket.seenAt)
    return min(Double(limit.burst), bucket.level + passed / limit.period * Double(limit.burst))
  }
}
