import Foundation
import SystemErrors

/// The part of a file that has come so far, in a file of its own beside the place of the whole.
///
/// Its name holds the beginning of the checksum: what was begun of other content is never gone on
/// with.
struct PartialFile {
  let file: HubFile
  let place: URL
  /// Two programs that fetch into one folder must not write into each other's part.
  private let lock: FileLock
  private let handle: FileHandle
  private var verifier: ChecksumVerifier
  /// Bytes that are there.
  private(set) var length: Int64 = 0

  static func place(of file: HubFile, in folder: URL) -> URL {
    folder.appending(path: "\(file.name).\(file.checksum.hexadecimal.prefix(12)).part")
  }

  /// Opens what there is, or begins.
  /// - Throws: `CommandFailure` (wrong input) when another program fetches the same file.
  init(_ file: HubFile, in folder: URL) throws {
    self.file = file
    place = Self.place(of: file, in: folder)
    do {
      lock = try FileLock(path: place.path)
    } catch {
      throw CommandFailure.wrongInput("\(error)")
    }
    handle = try FileHandle(forUpdating: place)
    verifier = ChecksumVerifier(file)
    while let bytes = try handle.read(upToCount: 1 << 20), !bytes.isEmpty {
      verifier.take(bytes)
      length += Int64(bytes.count)
    }
    if length > file.size { try restart() }
  }

  /// Forgets what is there.
  mutating func restart() throws {
    try handle.truncate(atOffset: 0)
    verifier = ChecksumVerifier(file)
    length = 0
  }

  /// Adds bytes at the end.
  mutating func append(_ bytes: Data) throws {
    try handle.write(contentsOf: bytes)
    verifier.take(bytes)
    length += Int64(bytes.count)
  }

  /// Puts the whole file in its place.
  /// - Throws: `CommandFailure` (failed) when the content is not what the hub promised; it is
  ///   removed, because going on with it would never help.
  func complete(as target: URL) throws {
    guard length == file.size, verifier.matches else {
      try FileManager.default.removeItem(at: place)
      throw CommandFailure.failed(
        "\(file.name) does not have the checksum that the hub gives; it was removed: try again")
    }
    try handle.synchronize()
    try handle.close()
    try FileManager.default.moveItem(at: place, to: target)
  }
}
