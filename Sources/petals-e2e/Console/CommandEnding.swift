import ArgumentParser

/// What a command that ended by an error says, and its exit status; help and version are no failure.
package struct CommandEnding: Sendable {
  let status: ExitStatus
  /// For standard output when the status is that of success, else one line for standard error.
  package let text: String

  /// The status as the system gets it.
  package var exitCode: Int32 { status.rawValue }

  init(_ error: any Error, _ arguments: [String]) {
    if let failure = error as? CommandFailure {
      (status, text) = (failure.status, "petals-e2e: \(failure.description)")
      return
    }
    switch PetalsE2E.exitCode(for: error) {
    case .success:
      (status, text) = (.done, PetalsE2E.fullMessage(for: error))
    case .validationFailure:
      // ArgumentParser calls wrong usage 64, the contract 2.
      let message = PetalsE2E.message(for: error).onOneLine
      let names = PetalsE2E.subcommandNames
      let subcommand = arguments.first.map { names.contains($0) ? " \($0)" : "" } ?? ""
      (status, text) = (
        .wrongInput, "petals-e2e: \(message) (see petals-e2e\(subcommand) --help)"
      )
    default:
      (status, text) = (.failed, "petals-e2e: \(String(describing: error).onOneLine)")
    }
  }

  /// Reads and checks a command line as the program does, and runs nothing.
  /// - Returns: how the program would end before it ran anything; nil when it would run.
  package static func beforeRunning(_ arguments: [String]) -> CommandEnding? {
    do {
      _ = try PetalsE2E.parseAsRoot(arguments)
      return nil
    } catch {
      return CommandEnding(error, arguments)
    }
  }
}
