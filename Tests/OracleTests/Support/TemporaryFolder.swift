import Foundation

/// Runs a body with a folder of its own, which is gone afterwards.
func withTemporaryFolder<R>(_ body: (URL) async throws -> R) async throws -> R {
  let folder = URL.temporaryDirectory.appending(path: "oracle-tests-\(UUID().uuidString)")
  try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  defer {
    // A database that is closing just now may remove files of its own; the rest is left to the
    // system's cleaning.
    try? FileManager.default.removeItem(at: folder)
  }
  return try await body(folder)
}
