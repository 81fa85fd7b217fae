/// Why a reporter did not start.
public enum ReporterError: Error, Sendable, Hashable, CustomStringConvertible {
  /// It runs already; stop it first.
  case alreadyRunning

  /// One line: what is wrong, and what to do.
  public var description: String {
    "the oracle reporter is running already: stop it before starting it again"
  }
}
