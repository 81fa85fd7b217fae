import ArgumentParser
import Bloom
import Foundation
import MockServing
import PlumiseWire
import Subprocess
import Synchronization
import SystemErrors

#if canImport(System)
  import System
#else
  import SystemPackage
#endif

/// Another program that computes BLOOM models, to be measured beside this one.
enum ComparedKind: String, CaseIterable, Sendable {
  case llamaCPP = "llama.cpp"
  case torch

  /// Whether it has products with weights that are stored so.
  func computes(_ type: ElementType) -> Bool {
    switch self {
    case .llamaCPP: [.f32, .f16, .bf16, .q8].contains(type)
    case .torch: [.f32, .f16, .bf16].contains(type)
    }
  }
}

/// Some of the other programs, as an option names them: `llama.cpp,torch`.
struct ComparedList: ExpressibleByArgument, Sendable {
  let kinds: [ComparedKind]

  init?(argument: String) {
    var kinds: [ComparedKind] = []
    for part in argument.split(separator: ",", omittingEmptySubsequences: false) {
      guard let kind = ComparedKind(rawValue: String(part)), !kinds.contains(kind) else {
        return nil
      }
      kinds.append(kind)
    }
    self.kinds = kinds
  }

  static var allValueStrings: [String] { ComparedKind.allCases.map(\.rawValue) }
}

/// What is measured of this program and of others.
enum ComparedTask: Hashable, Sendable {
  /// A prompt of so many tokens, and the first new token.
  case prefill(tokens: Int)
  /// One session, after a prompt.
  case decode(prompt: Int, tokens: Int)
  /// So many sessions at once, each with a prompt of one token.
  case sessions(count: Int, tokens: Int)

  /// The request for it, a line.
  var request: String {
    switch self {
    case .prefill(let tokens): "prefill \(tokens)\n"
    case .decode(let prompt, let tokens): "decode \(prompt) \(tokens)\n"
    case .sessions(let count, let tokens): "sessions \(count) \(tokens)\n"
    }
  }

  /// What tables call it.
  var name: String {
    switch self {
    case .prefill(let tokens): "prefill of \(tokens)"
    case .decode: "decode"
    case .sessions(let count, _): "\(count) at once"
    }
  }
}

/// A model that other programs compute too.
struct ComparedModel: Sendable {
  let path: String
  let type: ElementType
}

/// Another program, in a process of its own, a Python interpreter, and measures itself.
///
/// It computes only while it is asked.
struct ComparedProgram: Sendable {
  let kind: ComparedKind
  /// Its version, and what it was compiled for where it says so.
  let name: String
  private let ask: @Sendable (ComparedTask) async throws -> JSON

  /// Tokens a second.
  /// - Throws: `CommandFailure` when the program fails.
  func rate(of task: ComparedTask) async throws -> Double {
    let answer = try await ask(task)
    guard let rate = answer["rate"]?.doubleValue, rate > 0 else {
      throw CommandFailure.failed("\(kind.rawValue) answers \(answer.text) to \(task.name)")
    }
    return rate
  }

  /// Runs programs while a body does.
  /// - Parameters:
  ///   - python: An interpreter that has the programs' packages.
  ///   - body: Gets the programs in the order of `kinds`.
  /// - Throws: `CommandFailure` (wrong input) for a program that cannot compute the model, or at all.
  static func with<Output: Sendable>(
    _ kinds: ArraySlice<ComparedKind>, _ model: ComparedModel, python: String,
    after others: [ComparedProgram] = [],
    _ body: @escaping @Sendable ([ComparedProgram]) async throws -> Output
  ) async throws -> Output {
    guard let kind = kinds.first else { return try await body(others) }
    let folder = try TemporaryFolder(.init(rawValue: "petals-e2e-compared"))
    defer { folder.remove() }
    let arguments = [
      "-c", String(decoding: PackageResources.compared_py, as: UTF8.self), kind.rawValue,
      model.path,
      model.type.rawValue.lowercased(), "\(Arithmetic.threads)", folder.url.path,
    ]
    let words = ComparedWords()
    do {
      return try await Subprocess.run(
        python.contains("/") ? .path(.init(python)) : .name(python),
        arguments: Arguments(arguments), platformOptions: options,
        input: .inputWriter, output: .sequence, error: .sequence
      ) { execution in
        async let reading: Void = words.readAnswers(execution.standardOutput)
        async let trouble: Void = words.readErrors(execution.standardError)
        let greeting = try await words.next(from: kind)
        if let reason = greeting["refused"]?.stringValue {
          throw CommandFailure.wrongInput(
            "--beside \(kind.rawValue): \(reason) (by \(python); --python names another "
              + "interpreter)")
        }
        let program = ComparedProgram(
          kind: kind, name: greeting["ready"]?.stringValue ?? kind.rawValue
        ) {
          // One that has ended says so below, with its last words.
          _ = try? await execution.standardInputWriter.write($0.request)
          return try await words.next(from: kind)
        }
        let output = try await with(
          kinds.dropFirst(), model, python: python, after: others + [program], body)
        // It may have ended by itself: all is measured.
        try? await execution.standardInputWriter.finish()
        _ = await (reading, trouble)
        return output
      }.closureResult
    } catch let error as SubprocessError {
      throw CommandFailure.wrongInput("--python \(python) cannot be run: \(error)")
    }
  }

  private static var options: PlatformOptions {
    var options = PlatformOptions()
    // A group of its own: Ctrl-C on the terminal reaches this process only, with which the program ends.
    options.processGroupID = 0
    options.teardownSequence = [.gracefulShutDown(allowedDurationToNextStep: .seconds(2))]
    return options
  }
}

/// What a program says.
private final class ComparedWords: Sendable {
  private enum Answer: Sendable {
    case line(JSON)
    case end
  }

  private let answers = Journal<Answer>()
  private let read = Mutex(0)
  private let error = Mutex("it says nothing")

  /// The next answer.
  /// - Throws: `CommandFailure` with the program's last words when there is none.
  func next(from kind: ComparedKind) async throws -> JSON {
    let position = read.withLock { read in
      read += 1
      return read - 1
    }
    guard case .line(let answer) = try await answers.next(after: position) else {
      throw CommandFailure.failed("\(kind.rawValue) ended: \(error.withLock { $0 })")
    }
    return answer
  }

  func readAnswers(_ output: SubprocessOutputSequence) async {
    do {
      for try await line in output.strings() { answers.record(.line(try JSON.parse(line))) }
    } catch {
      self.error.withLock { $0 = "it cannot be read: \(error)" }
    }
    answers.record(.end)
  }

  func readErrors(_ output: SubprocessOutputSequence) async {
    do {
      for try await line in output.strings() where !line.isEmpty {
        error.withLock { $0 = line }
      }
    } catch {
      self.error.withLock { $0 = "its errors cannot be read: \(error)" }
    }
  }
}
