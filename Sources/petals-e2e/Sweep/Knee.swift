/// Where a curve of throughput stops to rise as it did: the point of greatest return for its load.
///
/// The rule is Kneedle's (Satopää, Albrecht, Irwin, Raghavan, "Finding a 'Kneedle' in a Haystack:
/// Detecting Knee Points in System Behavior", 2011), for a curve that rises and flattens: both axes
/// are scaled to 0…1, and the knee is the first local maximum of y − x after which y − x falls
/// below that maximum by a sensitivity times the mean distance of two points before it rises again.
/// The curve is not smoothed: a sweep has few points.
package enum Knee {
  /// Kneedle's sensitivity S; 1 is its authors' choice.
  private static let sensitivity = 1.0

  /// The index of the knee; nil for a curve without one, as one that rises in a line.
  /// - Parameter points: In the order of x, which rises.
  package static func index(_ points: [(x: Double, y: Double)]) -> Int? {
    guard points.count >= 3, let first = points.first, let last = points.last,
      let low = points.map(\.y).min(), let high = points.map(\.y).max(), last.x > first.x,
      high > low
    else { return nil }
    let differences = points.map { point in
      (point.y - low) / (high - low) - (point.x - first.x) / (last.x - first.x)
    }
    let distance = 1 / Double(points.count - 1)
    var candidate: Int?
    for index in 1..<points.count {
      let isLocalMaximum =
        index + 1 < points.count && differences[index] >= differences[index - 1]
        && differences[index] > differences[index + 1]
      if isLocalMaximum {
        candidate = index
      } else if let found = candidate,
        differences[index] < differences[found] - sensitivity * distance
      {
        return found
      }
    }
    return nil
  }
}
