/// A duration as Go writes it (`time.ParseDuration`): `1h15m30.5s`, `300ms`, `-2us`.
struct GoDuration {
  let value: Duration

  /// In nanoseconds.
  private static let units: [String: Double] = [
    "ns": 1, "us": 1e3, "µs": 1e3, "μs": 1e3, "ms": 1e6, "s": 1e9, "m": 60e9, "h": 3600e9,
  ]

  /// - Returns: nil when the text is none, or beyond what Go holds: some 292 years.
  init?(_ text: String) {
    var rest = text[...]
    let isNegative = rest.first == "-"
    if isNegative || rest.first == "+" { rest.removeFirst() }
    if rest == "0" {
      value = .zero
      return
    }
    guard !rest.isEmpty else { return nil }
    var nanoseconds = 0.0
    while !rest.isEmpty {
      let number = rest.prefix { $0 == "." || ("0"..."9").contains($0) }
      rest = rest.dropFirst(number.count)
      let unit = rest.prefix { $0 != "." && !("0"..."9").contains($0) }
      rest = rest.dropFirst(unit.count)
      guard let amount = Double(number.hasPrefix(".") ? "0\(number)" : "\(number)"),
        let factor = Self.units[String(unit)]
      else { return nil }
      nanoseconds += amount * factor
    }
    guard nanoseconds < Double(Int64.max) else { return nil }
    value = .nanoseconds(Int64(isNegative ? -nanoseconds : nanoseconds))
  }
}
