import EthereumPrimitives
import Foundation

/// A folder for the keys of one run's agents, which only this user can enter; removed with them.
struct KeyFolder: Sendable {
  private let url: URL

  /// Makes the folder in the system's place for temporary files.
  init() throws {
    url = FileManager.default.temporaryDirectory.appending(path: "petals-e2e-\(UUID().uuidString)")
    try FileManager.default.createDirectory(
      at: url, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
  }

  /// Writes a key.
  /// - Returns: the file's path.
  func write(_ key: SecretKey, name: String) throws -> String {
    let path = url.appending(path: "\(name).key").path
    try KeyFile.write(key, to: path)
    return path
  }

  func remove() {
    // What stays behind can be read by this user only, and its keys guard test coins.
    try? FileManager.default.removeItem(at: url)
  }
}
