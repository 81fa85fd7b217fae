import Foundation

/// Runs a body with a folder of its own, which is gone afterwards.
func withTemporaryFolder<R>(_ body: (URL) async throws -> R) async throws -> R {
  let folder = URL.temporaryDirectory.appending(path: "oracle-tests-\(UUID().uuidString)")
  try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  do {
    let result = try await body(folder)
    try FileManager.default.removeItem(at: folder)
    return result
  } catch {
    try FileManager.default.removeItem(at: folder)
    throw error
  }
}
