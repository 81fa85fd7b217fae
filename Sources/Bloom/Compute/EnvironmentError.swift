/// A variable of the environment whose value cannot be used.
public struct EnvironmentError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The variable's name.
  public let variable: String
  /// What would have been right, with its limits.
  public let expected: String
  /// What it holds instead.
  public let found: String

  package init(variable: String, expected: String, found: String) {
    self.variable = variable
    self.expected = expected
    self.found = found
  }

  /// One line: what is wrong, and what to do.
  public var description: String {
    "\(variable): expected \(expected), found \"\(found)\"; unset it for the default"
  }
}
