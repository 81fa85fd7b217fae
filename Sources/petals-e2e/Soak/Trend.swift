import Foundation

/// How fast a series of measurements rises or falls, robustly, with how sure that is.
///
/// The slope is Theil and Sen's: the median of the slopes between all pairs of points, which
/// outliers do not move. Its interval of 95 % confidence is Sen's (P. K. Sen, "Estimates of the
/// Regression Coefficient Based on Kendall's Tau", Journal of the American Statistical Association
/// 63, 1968), by the variance of Kendall's statistic with ties. It takes the deviations of the
/// points for independent; where neighbours resemble each other the true interval is wider.
package struct Trend: Sendable, Hashable {
  /// The standard normal distribution's quantile of 97.5 %.
  private static let quantile = 1.959964
  /// More points than this are joined to as many groups: all pairs of them are compared.
  private static let mostPoints = 400

  /// The change in a second.
  package let slope: Double
  /// The interval's ends, in a second.
  package let interval: ClosedRange<Double>
  /// The median of the values.
  package let level: Double

  /// The trend of points; nil for fewer than three, or for points of one time.
  package init?(_ points: [(time: Double, value: Double)]) {
    let points = Self.joined(points.sorted { $0.time < $1.time })
    guard points.count >= 3 else { return nil }
    var slopes: [Double] = []
    slopes.reserveCapacity(points.count * (points.count - 1) / 2)
    for (index, first) in points.enumerated() {
      for second in points[(index + 1)...] where second.time > first.time {
        slopes.append((second.value - first.value) / (second.time - first.time))
      }
    }
    guard !slopes.isEmpty else { return nil }
    slopes.sort()
    slope = Self.median(ofSorted: slopes)
    level = Self.median(ofSorted: points.map(\.value).sorted())
    // Ranks from 1 on, as Sen has them: the (N − C)/2-th slope, and the one behind the
    // (N + C)/2-th.
    let count = Double(slopes.count)
    let width = Self.quantile * Self.kendallVariance(points.map(\.value)).squareRoot()
    let low = Int(((count - width) / 2).rounded())
    let high = Int(((count + width) / 2).rounded()) + 1
    let lowest = slopes[max(1, low) - 1]
    interval = lowest...max(lowest, slopes[min(slopes.count, high) - 1])
  }

  /// The variance of Kendall's statistic where values do not depend on their times.
  private static func kendallVariance(_ values: [Double]) -> Double {
    func term(_ count: Double) -> Double { count * (count - 1) * (2 * count + 5) }
    let ties = Dictionary(grouping: values) { $0 }.values.map { term(Double($0.count)) }
    return max(0, term(Double(values.count)) - ties.reduce(0, +)) / 18
  }

  private static func median(ofSorted values: [Double]) -> Double {
    let middle = values.count / 2
    return values.count % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2
  }

  /// The medians of as many groups of neighbours as are compared.
  private static func joined(
    _ points: [(time: Double, value: Double)]
  ) -> [(time: Double, value: Double)] {
    guard points.count > mostPoints else { return points }
    let size = (points.count + mostPoints - 1) / mostPoints
    return stride(from: 0, to: points.count, by: size).map { start in
      let group = points[start..<min(points.count, start + size)]
      return (
        median(ofSorted: group.map(\.time)), median(ofSorted: group.map(\.value).sorted())
      )
    }
  }
}
