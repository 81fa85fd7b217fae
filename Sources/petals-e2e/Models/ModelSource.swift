import Bloom
import Foundation

/// Where a model comes from: a folder, or one of the shapes that are made here.
enum ModelSource: Hashable, Sendable {
  case folder(String)
  case synthesized(SyntheticShape)

  /// `tiny` and `bloom-560m` are shapes; anything else is a folder.
  init(_ text: String) {
    self = SyntheticShape(rawValue: text).map(ModelSource.synthesized) ?? .folder(text)
  }
}

extension ModelSource {
  /// Whether it is made here, and not found.
  var isMade: Bool { if case .synthesized = self { true } else { false } }

  /// The model's folder; a model of a known shape is made first if the cache does not hold it.
  /// - Parameters:
  ///   - dtype: how the weights of a model that is made are stored.
  ///   - quiet: whether the making shows no progress.
  func folder(dtype: ElementType = .f16, quiet: Bool) throws -> (path: String, isNew: Bool) {
    switch self {
    case .folder(let path): return (path, false)
    case .synthesized(let shape):
      let bar = ProgressBar("making \(shape.rawValue)", quiet: quiet)
      defer { bar.finish() }
      return try ModelCache().folder(for: shape, dtype: dtype) { bar.update($0) }
    }
  }
}

/// Opens what the user named, with errors in the user's words.
enum ModelFolder {
  /// Opens a checkpoint.
  /// - Throws: `CommandFailure` (wrong input).
  static func checkpoint(_ path: String) throws -> Checkpoint {
    try CommandFailure.checkingInput {
      try Checkpoint(directory: URL(filePath: path, directoryHint: .isDirectory))
    }
  }

  /// Runs what writes a model; a wish to stop ends it at once, and it leaves nothing behind.
  /// - Throws: `CommandFailure`.
  static func write(to path: String, _ work: @escaping @Sendable () throws -> Void) async throws {
    let stops = StopRequests()
    do {
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try work() }
        group.addTask {
          throw CommandFailure.failed(
            "\(try await stops.next().rawValue); nothing was written to \(path)")
        }
        defer { group.cancelAll() }
        try await group.next()
      }
    } catch let failure as CommandFailure {
      throw failure
    } catch {
      throw CommandFailure.wrongInput("cannot write a model to \(path): \(error)")
    }
  }

  /// The checkpoint's tokenizer; nil when the folder holds none.
  /// - Throws: `CommandFailure` (wrong input) for one that cannot be read.
  static func tokenizer(of checkpoint: Checkpoint) throws -> Tokenizer? {
    let file = checkpoint.directory.appending(path: "tokenizer.json")
    guard FileManager.default.fileExists(atPath: file.path) else { return nil }
    return try CommandFailure.checkingInput { try Tokenizer(directory: checkpoint.directory) }
  }
}
