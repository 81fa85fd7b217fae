/// Sums that stop at the ends of their type, where a report's numbers would carry them beyond.
///
/// A report may carry any number that its dialect allows; what it adds up to must not end the oracle.
extension Int64 {
  /// The sum, or the nearest number that 64 bits hold.
  func addingSaturated(_ other: Int64) -> Int64 {
    let (sum, overflows) = addingReportingOverflow(other)
    guard overflows else { return sum }
    return other < 0 ? .min : .max
  }

  /// The difference, or the nearest number that 64 bits hold.
  func subtractingSaturated(_ other: Int64) -> Int64 {
    let (difference, overflows) = subtractingReportingOverflow(other)
    guard overflows else { return difference }
    return other < 0 ? .max : .min
  }

  /// The whole part of a number, or the nearest number that 64 bits hold.
  /// - Parameter number: any number but NaN, which is read as zero.
  init(saturating number: Double) {
    let whole = number.rounded(.towardZero)
    self = Int64(exactly: whole) ?? (whole < 0 ? .min : whole > 0 ? .max : 0)
  }
}

extension Double {
  /// The number, or the nearest one that JSON can spell.
  var clampedToFinite: Double {
    Swift.min(Swift.max(self, -.greatestFiniteMagnitude), .greatestFiniteMagnitude)
  }
}
