import PlumiseWire

/// How long an answer asks to wait (`Retry-After`, RFC 9110 §10.2.3): in seconds, or until a date.
enum RetryAfter {
  /// Reads the field.
  /// - Parameters:
  ///   - field: the field's value.
  ///   - date: the answer's `Date`, which the asked date is compared with where there is one: the
  ///     two come from one clock.
  ///   - clock: what time it is otherwise.
  /// - Returns: zero or more; nil when it is neither.
  static func pause(
    _ field: String, date: String?, clock: UnixClock = .system
  ) -> Duration? {
    if let seconds = Int64(field) { return seconds < 0 ? nil : .seconds(seconds) }
    guard let until = HTTPDate.seconds(field) else { return nil }
    let now = date.flatMap { HTTPDate.seconds($0) } ?? clock.seconds
    return .seconds(max(0, until - now))
  }
}

/// A moment as HTTP spells it (RFC 9110 §5.6.7), in any of the three forms that must be read.
enum HTTPDate {
  private static let months = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
  ]

  /// The moment in unix seconds; nil for what is no date.
  static func seconds(_ text: String) -> Int64? {
    // Sun, 06 Nov 1994 08:49:37 GMT · Sunday, 06-Nov-94 08:49:37 GMT · Sun Nov  6 08:49:37 1994
    let words = text.split { " ,-".contains($0) }
    guard words.count == 5 || words.count == 6 && words[5] == "GMT" else { return nil }
    let isOldest = words.count == 5
    let (day, month) = isOldest ? (words[2], words[1]) : (words[1], words[2])
    let (year, time) = isOldest ? (words[4], words[3]) : (words[3], words[4])
    guard let month = months.firstIndex(of: String(month)), let day = number(day, 1...31),
      let year = self.year(year), let time = seconds(ofDay: time)
    else { return nil }
    return days(year: year, month: month + 1, day: day) * 86_400 + time
  }

  private static func year(_ text: Substring) -> Int64? {
    guard text.count == 2 else { return text.count == 4 ? number(text, 1970...9999) : nil }
    // Two digits are of the last hundred years, or of the next fifty.
    return number(text, 0...99).map { $0 < 70 ? 2000 + $0 : 1900 + $0 }
  }

  private static func seconds(ofDay text: Substring) -> Int64? {
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    // The sixtieth second is a leap second.
    guard parts.count == 3, let hours = number(parts[0], 0...23),
      let minutes = number(parts[1], 0...59), let seconds = number(parts[2], 0...60)
    else { return nil }
    return hours * 3600 + minutes * 60 + seconds
  }

  private static func number(_ text: Substring, _ range: ClosedRange<Int64>) -> Int64? {
    guard text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
    return Int64(text).flatMap { range.contains($0) ? $0 : nil }
  }

  /// The days since 1970-01-01 of a date of the Gregorian calendar; the year begins in March, so
  /// that the leap day is its last.
  private static func days(year: Int64, month: Int, day: Int64) -> Int64 {
    let (year, month) = month > 2 ? (year, month - 3) : (year - 1, month + 9)
    let leapDays = year / 4 - year / 100 + year / 400
    let daysBeforeMonth = Int64(153 * month + 2) / 5
    return year * 365 + leapDays + daysBeforeMonth + day - 1 - 719_468
  }
}
