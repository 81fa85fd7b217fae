import Bloom
import Foundation

/// Where a model comes from: a folder, or one of the shapes that are synthesised here.
enum ModelSource: Hashable, Sendable {
  case folder(String)
  case synthesized(SyntheticShape)

  /// `tiny` and `bloom-560m` are shapes; anything else is a folder.
  init(_ text: String) {
    self = SyntheticShape(rawValue: text).map(ModelSource.synthesized) ?? .folder(text)
  }
}

extension ModelSource {
  /// Whether it is synthesised here, and not found.
  var isSynthesized: Bool { if case .synthesized = self { true } else { false } }

  /// How a model's folder came about.
  enum Provenance: Hashable, Sendable {
    /// The user named it.
    case named
    /// It was made before, and kept.
    case cached
    /// It was made now.
    case made
    /// It was made before, was damaged since, and was made again now.
    case madeAgain(damage: String)
  }

  /// The model's folder; a model of a known shape is made first if the cache does not hold it, or
  /// holds a damaged one.
  /// - Parameters:
  ///   - dtype: how the weights of a model that is made are stored.
  ///   - quiet: whether the making shows no progress.
  func folder(
    dtype: ElementType = .f16, quiet: Bool
  ) throws -> (path: String, provenance: Provenance) {
    switch self {
    case .folder(let path): return (path, .named)
    case .synthesized(let shape):
      let bar = ProgressBar("making \(shape.rawValue)", quiet: quiet)
      defer { bar.finish() }
      return try ModelCache().folder(for: shape, dtype: dtype) { bar.update($0) }
    }
  }
}

/// Opens model folders that the user named; errors become `CommandFailure`.
enum ModelFolder {
  /// Opens a checkpoint.
  /// - Throws: `CommandFailure` (wrong input).
  static func checkpoint(_ path: String) throws -> Checkpoint {
    try CommandFailure.checkingInput {
      try Checkpoint(directory: URL(filePath: path, directoryHint: .isDirectory))
    }
  }

  /// Runs work that writes a model; a shutdown request ends it at once, and it leaves nothing behind.
  /// - Throws: `CommandFailure`.
  static func write(to path: String, _ work: @escaping @Sendable () throws -> Void) async throws {
    let signals = ShutdownSignals()
    do {
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try work() }
        group.addTask {
          throw CommandFailure.failed(
            "\(try await signals.next().rawValue); nothing was written to \(path)")
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

/// Synthesised models, made once and kept: `$XDG_CACHE_HOME/plumise-petals-e2e/models`, else under
/// `~/.cache`.
struct ModelCache: Sendable {
  private let root: URL

  /// - Parameter environment: where `XDG_CACHE_HOME` is looked up.
  init(environment: [String: String] = ProcessInfo.processInfo.environment) {
    // The specification tells us to ignore a relative path.
    func folder(_ name: String) -> URL? {
      environment[name].flatMap { $0.utf8.first == UInt8(ascii: "/") ? URL(filePath: $0) : nil }
    }
    let home = folder("HOME") ?? FileManager.default.homeDirectoryForCurrentUser
    let base = folder("XDG_CACHE_HOME") ?? home.appending(path: ".cache")
    root = base.appending(path: "plumise-petals-e2e/models", directoryHint: .isDirectory)
  }

  /// What a synthesised model is cached under.
  private static func name(_ shape: SyntheticShape, _ dtype: ElementType) -> String {
    "\(shape.rawValue)-\(dtype.rawValue.lowercased())-seed0-v\(ModelSynthesizer.recipeVersion)"
  }

  /// The folder of a model, which is made first if it is not there, and again if it is damaged.
  ///
  /// A folder of that name is always whole, whoever else makes it at the same time and whenever
  /// this process is killed: the synthesizer writes beside it and then moves.
  /// - Parameter progress: how far the making is, 0 to 1; not called when there is nothing to make.
  func folder(
    for shape: SyntheticShape, dtype: ElementType = .f16, progress: (Double) -> Void
  ) throws -> (path: String, provenance: ModelSource.Provenance) {
    let files = FileManager.default
    let name = Self.name(shape, dtype)
    let place = root.appending(path: name, directoryHint: .isDirectory)
    var provenance = ModelSource.Provenance.made
    if files.fileExists(atPath: place.path) {
      guard let damage = Self.damage(of: place) else { return (place.path, .cached) }
      try remove(place)
      provenance = .madeAgain(damage: damage)
    }
    do {
      try ModelSynthesizer.synthesize(
        shape: shape, dtype: dtype, seed: 0, into: place, progress: { progress($0.fraction) })
    } catch {
      // Somebody else was quicker: theirs is as whole as ours would have been.
      guard files.fileExists(atPath: place.path) else {
        throw CommandFailure.failed("cannot make model \(shape.rawValue) in \(root.path): \(error)")
      }
    }
    return (place.path, provenance)
  }

  /// What is wrong with a model's folder, in one line; nil when it can be used.
  private static func damage(of place: URL) -> String? {
    do {
      _ = try Checkpoint(directory: place)
      _ = try Tokenizer(directory: place)
      return nil
    } catch {
      return String(describing: error).singleLine
    }
  }

  /// Removes a damaged model; a process that has its files open keeps them.
  ///
  /// It is moved away first, in one step, so that the model's place never holds a part of it.
  private func remove(_ place: URL) throws {
    let files = FileManager.default
    let aside = root.appending(path: "damaged-\(UUID().uuidString)", directoryHint: .isDirectory)
    do {
      try files.moveItem(at: place, to: aside)
      try files.removeItem(at: aside)
    } catch {
      // Another process may have moved it, to make it again as well.
      guard files.fileExists(atPath: place.path) || files.fileExists(atPath: aside.path) else {
        return
      }
      throw CommandFailure.failed(
        "cannot remove the damaged model \(place.path): \(error.localizedDescription); remove it")
    }
  }
}
