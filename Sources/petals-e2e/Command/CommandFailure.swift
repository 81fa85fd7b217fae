import ArgumentParser
import MockServing
import PetalsNode

/// The command's exit status.
enum ExitStatus: Int32, Sendable {
  case done = 0
  /// It ran, and something failed.
  case failed = 1
  /// The arguments or the files they name cannot be used.
  case wrongInput = 2
}

/// Why a command ends without having done its work, in one line.
struct CommandFailure: Error, Sendable, CustomStringConvertible {
  let status: ExitStatus
  let description: String

  /// Something in the arguments, or in what they name, is wrong: exit status 2.
  static func wrongInput(_ message: String) -> CommandFailure {
    CommandFailure(status: .wrongInput, description: message.singleLine)
  }

  /// The command ran, and something failed: exit status 1.
  static func failed(_ message: String) -> CommandFailure {
    CommandFailure(status: .failed, description: message.singleLine)
  }

  /// Runs what writes a result beside others, so that one that cannot be written loses no other.
  /// - Returns: Why it failed; nil when it did not.
  static func of(_ body: () throws -> Void) -> CommandFailure? {
    do {
      try body()
      return nil
    } catch {
      return error as? CommandFailure ?? .failed("\(error)")
    }
  }

  /// Several failures as one line, with the status of the first; nil without any.
  static func joined(_ failures: CommandFailure?...) -> CommandFailure? {
    let found = failures.compactMap(\.self)
    return found.first.map {
      CommandFailure(
        status: $0.status, description: found.map(\.description).joined(separator: "; "))
    }
  }

  /// Runs what reads the user's input; whatever it throws is a matter of wrong input.
  static func checkingInput<R>(_ body: () throws -> R) throws -> R {
    do {
      return try body()
    } catch let failure as CommandFailure {
      throw failure
    } catch {
      throw wrongInput(String(describing: error))
    }
  }

  /// Runs what reads the user's input; whatever it throws is a matter of wrong input.
  static func checkingInput<R>(_ body: () async throws -> R) async throws -> R {
    do {
      return try await body()
    } catch let failure as CommandFailure {
      throw failure
    } catch {
      throw wrongInput(String(describing: error))
    }
  }
}

/// The message and the exit status of a command that ended by an error, or by help or version.
package struct CommandResult: Sendable {
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
      let message = PetalsE2E.message(for: error).singleLine
      let names = PetalsE2E.subcommandNames
      let subcommand = arguments.first.map { names.contains($0) ? " \($0)" : "" } ?? ""
      (status, text) = (
        .wrongInput, "petals-e2e: \(message) (see petals-e2e\(subcommand) --help)"
      )
    default:
      (status, text) = (.failed, "petals-e2e: \(String(describing: error).singleLine)")
    }
  }

  /// The options, with their dashes, that the subcommand of a command line has.
  package static func options(of arguments: [String]) -> Set<String> {
    var command: any ParsableCommand.Type = PetalsE2E.self
    for name in arguments {
      let next = command.configuration.subcommands.first { $0.configuration.commandName == name }
      guard let next else { break }
      command = next
    }
    let help = PetalsE2E.helpMessage(for: command, includeHidden: true)
    return Set(help.matches(of: /--[a-z][a-z0-9-]*/).map { String($0.output) })
  }

  /// Reads and checks a command line as the program does, and runs nothing.
  /// - Returns: how the program would end before it ran anything; nil when it would run.
  package static func beforeRunning(_ arguments: [String]) -> CommandResult? {
    do {
      _ = try PetalsE2E.parseAsRoot(arguments)
      return nil
    } catch {
      return CommandResult(error, arguments)
    }
  }
}

extension CommandFailure {
  /// Runs a service; a port or host that cannot be listened on is wrong input.
  static func mappingServingErrors<R>(_ body: () async throws -> R) async throws -> R {
    do {
      return try await body()
    } catch let error as ServingError {
      throw wrongInput("\(error)")
    } catch let error as NodeStartError {
      switch error {
      case .portInUse, .cannotListen: throw wrongInput("\(error)")
      case .selfTestFailed, .alreadyRan, .stopped: throw failed("\(error)")
      }
    }
  }
}
