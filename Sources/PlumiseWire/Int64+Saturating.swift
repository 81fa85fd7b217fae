/// Saturating arithmetic, for numbers that reports carry.
///
/// A report may carry any number that its dialect allows; what it adds up to must not end whoever adds it up.
extension Int64 {
  /// The sum, or the nearest number that 64 bits hold.
  package func addingSaturated(_ other: Int64) -> Int64 {
    let (sum, overflows) = addingReportingOverflow(other)
    guard overflows else { return sum }
    return other < 0 ? .min : .max
  }

  /// The difference, or the nearest number that 64 bits hold.
  package func subtractingSaturated(_ other: Int64) -> Int64 {
    let (difference, overflows) = subtractingReportingOverflow(other)
    guard overflows else { return difference }
    return other < 0 ? .max : .min
  }

  /// The whole part of a number, or the nearest number that 64 bits hold.
  /// - Parameter number: any number but NaN, which is read as zero.
  package init(saturating number: Double) {
    let whole = number.rounded(.towardZero)
    self = Int64(exactly: whole) ?? (whole < 0 ? .min : whole > 0 ? .max : 0)
  }
}
