package import Foundation
import SystemErrors

/// Runs a body with a folder of its own, which is gone afterwards.
///
/// Tests that are killed leave their folders behind; the next ones remove them.
package func withTemporaryFolder<R>(_ body: (URL) async throws -> R) async throws -> R {
  _ = abandonedFoldersAreRemoved
  let folder = try TemporaryFolder(testFolders)
  defer { folder.remove() }
  return try await body(folder.url)
}

/// What the folders of tests are called.
private let testFolders = TemporaryFolder.Purpose(rawValue: "plumise-tests")

/// Done once in each process of tests, before its first folder is made.
private let abandonedFoldersAreRemoved: Void = TemporaryFolder.removeAbandoned(testFolders)

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
