/// Latencies in logarithmic buckets: bounded memory, and every percentile within 1 % of the truth.
///
/// Values are nanoseconds. Each power of two is cut into 128 equal buckets, so that a bucket is at
/// most 1/128 of its values wide; below 128 ns every value has a bucket of its own.
package struct LatencyHistogram: Sendable {
  private static let subBuckets = 128
  private static let subBucketBits = 7

  private var counts: [Int64] = []
  package private(set) var total: Int64 = 0
  private var least: UInt64 = .max
  private var most: UInt64 = 0

  package init() {}

  package mutating func record(_ latency: Duration) {
    let value = Self.nanoseconds(latency)
    let bucket = Self.bucket(of: value)
    if bucket >= counts.count {
      counts.append(contentsOf: repeatElement(0, count: bucket + 1 - counts.count))
    }
    counts[bucket] += 1
    total += 1
    least = min(least, value)
    most = max(most, value)
  }

  /// The latency that the given share of the values does not exceed (nearest rank), or `nil` while
  /// nothing is recorded.
  /// - Parameter share: in 0…1.
  package func percentile(_ share: Double) -> Duration? {
    guard total > 0 else { return nil }
    let rank = max(1, Int64((share * Double(total)).rounded(.up)))
    var seen: Int64 = 0
    for (bucket, count) in counts.enumerated() {
      seen += count
      if seen >= rank {
        let value = min(max(Self.highest(in: bucket), least), most)
        return .nanoseconds(Int64(clamping: value))
      }
    }
    return .nanoseconds(Int64(clamping: most))
  }

  private static func nanoseconds(_ latency: Duration) -> UInt64 {
    let (seconds, attoseconds) = latency.components
    let (product, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
    if overflow { return seconds < 0 ? 0 : UInt64(Int64.max) }
    return UInt64(clamping: product &+ attoseconds / 1_000_000_000)
  }

  private static func bucket(of value: UInt64) -> Int {
    if value < UInt64(subBuckets) { return Int(value) }
    let shift = (UInt64.bitWidth - 1 - value.leadingZeroBitCount) - subBucketBits
    return (shift + 1) * subBuckets + Int(value >> UInt64(shift)) - subBuckets
  }

  /// The greatest value of a bucket.
  private static func highest(in bucket: Int) -> UInt64 {
    if bucket < subBuckets { return UInt64(bucket) }
    let shift = UInt64(bucket / subBuckets - 1)
    let base = UInt64(bucket % subBuckets + subBuckets)
    return ((base + 1) << shift) &- 1
  }
}

/// The percentiles of latencies: half, 90 %, 99 % and all of them do not exceed these.
///
/// Each is within 1 % of the exact value; the maximum is exact.
public struct LatencyPercentiles: Sendable, Hashable {
  /// Half of the latencies do not exceed it.
  public let median: Duration
  /// 90 % of the latencies do not exceed it.
  public let p90: Duration
  /// 99 % of the latencies do not exceed it.
  public let p99: Duration
  /// The greatest latency.
  public let maximum: Duration

  init?(_ histogram: LatencyHistogram) {
    guard let median = histogram.percentile(0.5), let p90 = histogram.percentile(0.9),
      let p99 = histogram.percentile(0.99), let maximum = histogram.percentile(1)
    else { return nil }
    self.median = median
    self.p90 = p90
    self.p99 = p99
    self.maximum = maximum
  }
}
