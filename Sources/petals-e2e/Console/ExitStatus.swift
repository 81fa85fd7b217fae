/// How the command tells a script what happened.
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
    CommandFailure(status: .wrongInput, description: message.onOneLine)
  }

  /// The command ran, and something failed: exit status 1.
  static func failed(_ message: String) -> CommandFailure {
    CommandFailure(status: .failed, description: message.onOneLine)
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

extension String {
  /// The text with its line breaks and runs of blanks folded, for messages that promise one line.
  var onOneLine: String {
    split(whereSeparator: \.isNewline).map { $0.drop(while: \.isWhitespace) }
      .joined(separator: " ")
  }
}
