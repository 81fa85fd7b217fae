import Foundation

/// Counts of times, in memory that does not grow with their number.
///
/// A time is counted to within 0.1 %: buckets of doubling width, each in 1024 equal parts, as in
/// Gil Tene's HdrHistogram (hdrhistogram.org) with three significant digits. From a microsecond to
/// an hour; longer times count as an hour.
package struct LatencyHistogram: Sendable {
  private static let halfCount = 1024
  private static let greatest = 3_600_000_000
  private static let bucketCount = index(of: greatest) + 1

  private var counts = [UInt32](repeating: 0, count: bucketCount)
  /// How many times were counted.
  package private(set) var count = 0
  /// The greatest of them, in milliseconds; zero without any.
  package private(set) var maximum = 0.0

  package init() {}

  /// Counts a time.
  /// - Parameter milliseconds: At least zero.
  package mutating func record(_ milliseconds: Double) {
    let value = min(Double(Self.greatest), max(0, (1000 * milliseconds).rounded()))
    counts[Self.index(of: Int(value))] &+= 1
    count += 1
    maximum = max(maximum, milliseconds)
  }

  /// Counts what another one counted.
  package mutating func add(_ other: LatencyHistogram) {
    for index in counts.indices { counts[index] &+= other.counts[index] }
    count += other.count
    maximum = max(maximum, other.maximum)
  }

  /// The time that a share of all does not exceed (nearest rank), in milliseconds; nil without any.
  package func percentile(_ share: Double) -> Double? {
    guard count > 0 else { return nil }
    let rank = min(count, max(1, Int((share * Double(count)).rounded(.up))))
    var seen = 0
    for (index, number) in counts.enumerated() where number > 0 {
      seen += Int(number)
      if seen >= rank { return min(maximum, Double(Self.greatestValue(at: index)) / 1000) }
    }
    return maximum
  }

  /// Where a number of microseconds is counted.
  private static func index(of value: Int) -> Int {
    guard value >= 2 * halfCount else { return value }
    // The bucket's numbers share all bits above their eleven highest.
    let shift = Int.bitWidth - 11 - value.leadingZeroBitCount
    return (shift + 1) * halfCount + (value >> shift) - halfCount
  }

  /// The greatest number of microseconds that is counted at an index.
  private static func greatestValue(at index: Int) -> Int {
    guard index >= 2 * halfCount else { return index }
    let shift = index / halfCount - 1
    let part = index % halfCount + halfCount
    return ((part + 1) << shift) - 1
  }
}
