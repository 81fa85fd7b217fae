import Bloom
import Foundation

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

  /// The folder of a model, which is made first if it is not there.
  ///
  /// A folder of that name is always whole, whoever else makes it at the same time and whenever
  /// this process is killed: the synthesizer writes beside it and then moves.
  /// - Parameter progress: how far the making is, 0 to 1; not called when there is nothing to make.
  /// - Returns: the folder, and whether it had to be made.
  func folder(
    for shape: SyntheticShape, dtype: ElementType = .f16, progress: (Double) -> Void
  ) throws -> (path: String, isNew: Bool) {
    let files = FileManager.default
    let name = Self.name(shape, dtype)
    let place = root.appending(path: name, directoryHint: .isDirectory)
    if files.fileExists(atPath: place.path) { return (place.path, false) }
    do {
      try ModelSynthesizer.synthesize(
        shape: shape, dtype: dtype, seed: 0, into: place, progress: { progress($0.fraction) })
    } catch {
      // Somebody else was quicker: theirs is as whole as ours would have been.
      guard files.fileExists(atPath: place.path) else {
        throw CommandFailure.failed("cannot make model \(shape.rawValue) in \(root.path): \(error)")
      }
    }
    return (place.path, true)
  }
}
