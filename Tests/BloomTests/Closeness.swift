import Testing

/// Requires values to lie within `tolerance` of the largest expected one; a failure names the worst.
func expectClose(
  _ found: some Collection<Float>, _ expected: some Collection<Float>,
  tolerance: Float = 2e-4, _ what: String, sourceLocation: SourceLocation = #_sourceLocation
) {
  guard found.count == expected.count, !expected.isEmpty else {
    Issue.record(
      "\(what): \(found.count) values instead of \(expected.count)",
      sourceLocation: sourceLocation)
    return
  }
  var largest: Float = 0
  var worst = (index: 0, difference: Float(-1), found: Float(0), expected: Float(0))
  for (index, pair) in zip(found, expected).enumerated() {
    largest = max(largest, abs(pair.1))
    let difference = abs(pair.0 - pair.1)
    // A NaN is worse than anything.
    if difference > worst.difference || difference.isNaN {
      worst = (index, difference.isNaN ? .infinity : difference, pair.0, pair.1)
    }
  }
  let isClose = worst.difference <= tolerance * largest
  #expect(
    isClose,
    """
    \(what): element \(worst.index) is \(worst.found) instead of \(worst.expected), \
    off by \(worst.difference / largest) of the largest (allowed \(tolerance))
    """, sourceLocation: sourceLocation)
}
