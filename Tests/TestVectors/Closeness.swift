/// How close values are to expected ones: the worst element's difference, as a share of the largest
/// expected magnitude.
public struct Closeness: Sendable, CustomStringConvertible {
  /// How close a result must be to another implementation's in float32.
  public static let float32: Float = 2e-4

  /// The worst difference; infinite for a NaN, for another number of values, and for none at all.
  public let worst: Float
  /// One line that names the worst element.
  public let description: String

  /// Compares values one by one.
  public init(of found: some Collection<Float>, to expected: some Collection<Float>) {
    guard found.count == expected.count, !expected.isEmpty else {
      worst = .infinity
      description = "\(found.count) values instead of \(expected.count)"
      return
    }
    var largest: Float = 0
    var furthest = (index: 0, difference: Float(-1), found: Float(0), expected: Float(0))
    for (index, pair) in zip(found, expected).enumerated() {
      largest = max(largest, abs(pair.1))
      let difference = abs(pair.0 - pair.1)
      // A NaN is worse than anything.
      if difference > furthest.difference || difference.isNaN {
        furthest = (index, difference.isNaN ? .infinity : difference, pair.0, pair.1)
      }
    }
    worst = furthest.difference == 0 ? 0 : furthest.difference / largest
    description = """
      element \(furthest.index) is \(furthest.found) instead of \(furthest.expected), \
      off by \(worst) of the largest
      """
  }
}
