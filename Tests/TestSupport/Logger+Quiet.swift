package import Logging

extension Logger {
  /// A logger that says nothing, for parts whose complaints a test brings about.
  package static var quiet: Logger { Logger(label: "quiet") { _ in SwiftLogNoOpLogHandler() } }
}
