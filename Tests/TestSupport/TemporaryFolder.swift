package import Foundation

/// Runs a body with a folder of its own, which is gone afterwards.
package func withTemporaryFolder<R>(_ body: (URL) async throws -> R) async throws -> R {
  let folder = FileManager.default.temporaryDirectory
    .appending(path: "plumise-tests-\(UUID().uuidString)", directoryHint: .isDirectory)
  try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  defer {
    // A database that is closing just now may remove files of its own; the rest is left to the
    // system's cleaning.
    try? FileManager.default.removeItem(at: folder)
  }
  return try await body(folder)
}

extension URL {
  /// A file of this folder, as a path.
  package func file(_ name: String) -> String { appending(path: name).path }

  /// Writes a file of this folder.
  /// - Returns: its path.
  @discardableResult
  package func write(
    _ name: String, _ contents: some Sequence<UInt8>, mode: Int = 0o600
  ) throws -> String {
    let path = file(name)
    try Data(contents).write(to: URL(filePath: path))
    try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
    return path
  }
}
