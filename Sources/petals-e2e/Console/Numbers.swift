/// Whole numbers from a least to a greatest.
package struct WholeNumbers<Value: FixedWidthInteger & Sendable>: OptionLimits {
  private let name: String
  private let range: ClosedRange<Value>

  /// - Parameter name: what such a number is, `a port`.
  package init(_ name: String, _ range: ClosedRange<Value>) {
    self.name = name
    self.range = range
  }

  package var limits: String { "from \(range.lowerBound) to \(range.upperBound)" }
  package var expectation: String { "\(name) is a whole number \(limits)" }

  package func value(_ text: String) -> Value? {
    Value(text).flatMap { range.contains($0) ? $0 : nil }
  }
}

/// Numbers with a fraction if need be, from a least (or only above it) to a greatest.
package struct RealNumbers<Value: BinaryFloatingPoint & LosslessStringConvertible & Sendable>:
  OptionLimits
{
  private let name: String
  private let range: ClosedRange<Value>
  private let takesLeast: Bool

  /// - Parameter name: what such a number is, `a rate`.
  package init(_ name: String, _ range: ClosedRange<Value>) {
    (self.name, self.range, takesLeast) = (name, range, true)
  }

  /// - Parameter name: what such a number is, `a rate`.
  package init(_ name: String, above bound: Value, upTo most: Value) {
    (self.name, range, takesLeast) = (name, bound...most, false)
  }

  package var limits: String {
    let (least, most) = (spelling(range.lowerBound), spelling(range.upperBound))
    return takesLeast ? "from \(least) to \(most)" : "above \(least), up to \(most)"
  }
  package var expectation: String { "\(name) is a number \(limits)" }

  package func value(_ text: String) -> Value? {
    // No number, NaN, is in no range.
    guard let value = Value(text), range.contains(value) else { return nil }
    return takesLeast || value > range.lowerBound ? value : nil
  }

  package func spelling(_ value: Value) -> String { value.shortSpelling }
}

/// A time on the command line: its limits lie far within those of a `Duration`.
package struct Seconds: Hashable, Sendable, CustomStringConvertible {
  /// A year: whatever is waited for, nobody waits longer.
  fileprivate static let most = 31_536_000.0

  package let value: Double

  /// 0 to a year.
  fileprivate init(_ value: Double) { self.value = value }

  /// So many seconds, at most 31 536 000; for defaults.
  init(whole value: UInt32) { self.value = min(Double(value), Self.most) }

  package var duration: Duration { .seconds(value) }

  /// As the command line spells it.
  package var description: String { value.shortSpelling }
}

/// Times in seconds, with a fraction if need be, up to a year.
package struct Times: OptionLimits {
  private let name: String
  private let least: Double
  private let takesZero: Bool

  /// - Parameters:
  ///   - name: what such a time is, `a duration`.
  ///   - least: the shortest time besides zero.
  ///   - takesZero: whether no time at all is taken, too.
  package init(_ name: String, from least: Double, orZero takesZero: Bool = false) {
    self.name = name
    self.least = least
    self.takesZero = takesZero
  }

  package var limits: String {
    "\(takesZero ? "0, or " : "")from \(least.shortSpelling) to \(Seconds.most.shortSpelling)"
  }
  package var expectation: String {
    "\(name) is \(takesZero ? "0, or " : "")a number of seconds from \(least.shortSpelling) to "
      + Seconds.most.shortSpelling
  }

  package func value(_ text: String) -> Seconds? {
    guard let value = Double(text) else { return nil }
    if takesZero && value == 0 { return Seconds(0) }
    return (least...Seconds.most).contains(value) ? Seconds(value) : nil
  }
}

extension BinaryFloatingPoint where Self: LosslessStringConvertible {
  /// Without a point where there is nothing behind it: `100`, `0.001`.
  fileprivate var shortSpelling: String {
    let text = description
    return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
  }
}
