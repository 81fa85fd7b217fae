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
      environment[name].flatMap { $0.hasPrefix("/") ? URL(filePath: $0) : nil }
    }
    let home = folder("HOME") ?? FileManager.default.homeDirectoryForCurrentUser
    let base = folder("XDG_CACHE_HOME") ?? home.appending(path: ".cache")
    root = base.appending(path: "plumise-petals-e2e/models", directoryHint: .isDirectory)
  }

  /// What a synthesised model is cached under; the version changes with the recipe.
  private static func name(_ shape: SyntheticShape, _ dtype: ElementType) -> String {
    "\(shape.rawValue)-\(dtype.rawValue.lowercased())-seed0-v1"
  }

  /// The folder of a model, which is made first if it is not there.
  ///
  /// The model is written beside its place and then moved, so a folder of that name is always
  /// whole, whoever else makes it at the same time and whenever this process is killed.
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
      try files.createDirectory(at: root, withIntermediateDirectories: true)
      removeAbandoned()
      let draft = root.appending(
        path: "\(name).partial-\(getpid())", directoryHint: .isDirectory)
      defer {
        // After the move there is nothing left to remove.
        try? files.removeItem(at: draft)
      }
      try ModelSynthesizer.synthesize(
        shape: shape, dtype: dtype, seed: 0, into: draft, progress: { progress($0.fraction) })
      if rename(draft.path, place.path) != 0 && !files.fileExists(atPath: place.path) {
        throw CommandFailure.failed(String(cString: strerror(errno)))
      }
    } catch {
      throw CommandFailure.failed("cannot make model \(shape.rawValue) in \(root.path): \(error)")
    }
    return (place.path, true)
  }

  /// Removes drafts whose makers are gone.
  private func removeAbandoned() {
    // A draft that cannot be removed costs space and harms nothing.
    for draft in (try? FileManager.default.contentsOfDirectory(atPath: root.path)) ?? [] {
      guard let mark = draft.range(of: ".partial-"), let maker = Int32(draft[mark.upperBound...]),
        kill(maker, 0) != 0, errno == ESRCH
      else { continue }
      try? FileManager.default.removeItem(at: root.appending(path: draft))
    }
  }
}
