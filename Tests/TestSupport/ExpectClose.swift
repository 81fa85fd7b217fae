import TestVectors
package import Testing

/// Requires values to lie within `tolerance` of the largest expected one; a failure names the worst.
package func expectClose(
  _ found: some Collection<Float>, _ expected: some Collection<Float>,
  tolerance: Float = Closeness.float32, _ what: String,
  sourceLocation: SourceLocation = #_sourceLocation
) {
  let closeness = Closeness(of: found, to: expected)
  #expect(
    closeness.worst <= tolerance, "\(what): \(closeness) (allowed \(tolerance))",
    sourceLocation: sourceLocation)
}
