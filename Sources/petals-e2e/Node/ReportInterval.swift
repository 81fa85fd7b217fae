import ArgumentParser

/// Refuses an interval with which timestamps would run ahead of the clock.
///
/// A report's timestamp has whole seconds and is greater than the last one's; an oracle refuses
/// those that lie too far ahead.
func requireReportInterval(_ seconds: Double) throws {
  guard seconds >= 1 else {
    throw ValidationError(
      "--report-interval must be at least 1: reports are told apart by whole seconds")
  }
}
