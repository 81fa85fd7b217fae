import AsyncHTTPClient
import Crypto
import Foundation
import NIOCore
import NIOHTTP1
import SystemErrors

/// Downloads the files of one commit into a folder.
struct HubDownload: Sendable {
  let hub: Hub
  let name: HubName
  let commit: String
  let folder: URL

  /// How a file was obtained.
  enum Outcome: Hashable, Sendable {
    /// It was present before, complete.
    case present
    /// It was fetched, from this byte on.
    case fetched(from: Int64)
  }

  /// Downloads one file; an interrupted download is resumed.
  /// - Parameter progress: gets the number of bytes that are present.
  func fetch(_ file: HubFile, progress: (Int64) -> Void) async throws -> Outcome {
    let target = folder.appending(path: file.name)
    if FileManager.default.fileExists(atPath: target.path) {
      try requireSame(target, file)
      progress(file.size)
      return .present
    }
    var part = try CommandFailure.checkingInput { try PartialFile(file, in: folder) }
    // The part's previous owner may have completed the file in the meantime.
    guard !FileManager.default.fileExists(atPath: target.path) else {
      try FileManager.default.removeItem(at: part.location)
      return try await fetch(file, progress: progress)
    }
    let beginning = part.length
    progress(part.length)
    do {
      try await TransferRetryPolicy().run { transferred in
        while part.length < file.size { try await resume(&part, &transferred, progress) }
      }
    } catch let failure as CommandFailure {
      throw failure
    } catch {
      try Task.checkCancellation()
      throw CommandFailure.failed(
        "\(file.name): \(part.length) of \(file.size) bytes came, then: \(error); "
          + "run it again to go on from there")
    }
    try part.complete(as: target)
    return .fetched(from: beginning)
  }

  /// Reads one answer to its end.
  private func resume(
    _ part: inout PartialFile, _ transferred: inout Int64, _ progress: (Int64) -> Void
  ) async throws {
    let file = part.file
    let response = try await hub.content(of: file, in: name, at: commit, from: part.length)
    if response.status == .partialContent {
      let range = response.headers.first(name: "Content-Range") ?? ""
      guard range.hasPrefix("bytes \(part.length)-") else {
        throw CommandFailure.failed(
          "\(file.name): asked for bytes from \(part.length) on, the hub answered '\(range)'")
      }
    } else if part.length > 0 {
      // The server gives files whole only.
      try part.restart()
    }
    var received = 0
    for try await chunk in response.body {
      guard part.length + Int64(chunk.readableBytes) <= file.size else {
        try part.restart()
        throw CommandFailure.failed(
          "\(file.name): more came than the \(file.size) bytes that the hub lists")
      }
      try part.append(Data(chunk.readableBytesView))
      received += chunk.readableBytes
      transferred += Int64(chunk.readableBytes)
      progress(part.length)
    }
    guard part.length < file.size, received == 0 else { return }
    throw CommandFailure.failed("\(file.name): the hub sent none of the bytes that are missing")
  }

  /// - Throws: `CommandFailure` (wrong input) when another file has the place.
  private func requireSame(_ target: URL, _ file: HubFile) throws {
    let isSame = try CommandFailure.checkingInput {
      let handle = try FileHandle(forReadingFrom: target)
      defer { try? handle.close() }
      var verifier = ChecksumVerifier(file)
      while let bytes = try handle.read(upToCount: 1 << 20), !bytes.isEmpty {
        verifier.update(bytes)
      }
      return verifier.matches
    }
    guard isSame else {
      throw CommandFailure.wrongInput(
        "\(target.path) is not what the hub has; remove it, or name another folder with --out")
    }
  }
}

/// The downloaded part of a file, in a file of its own beside the location of the complete one.
///
/// Its name holds the beginning of the checksum, so that a part of other content is never resumed.
struct PartialFile {
  let file: HubFile
  let location: URL
  /// Two programs that fetch into one folder must not write into each other's part.
  private let lock: FileLock
  private let handle: FileHandle
  private var verifier: ChecksumVerifier
  /// Bytes that are present.
  private(set) var length: Int64 = 0

  static func location(of file: HubFile, in folder: URL) -> URL {
    folder.appending(path: "\(file.name).\(file.checksum.hexadecimal.prefix(12)).part")
  }

  /// Opens an existing part, or creates an empty one.
  /// - Throws: `CommandFailure` (wrong input) when another program fetches the same file.
  init(_ file: HubFile, in folder: URL) throws {
    self.file = file
    location = Self.location(of: file, in: folder)
    do {
      lock = try FileLock(path: location.path)
    } catch {
      throw CommandFailure.wrongInput("\(error)")
    }
    handle = try FileHandle(forUpdating: location)
    verifier = ChecksumVerifier(file)
    while let bytes = try handle.read(upToCount: 1 << 20), !bytes.isEmpty {
      verifier.update(bytes)
      length += Int64(bytes.count)
    }
    if length > file.size { try restart() }
  }

  /// Discards the downloaded bytes.
  mutating func restart() throws {
    try handle.truncate(atOffset: 0)
    verifier = ChecksumVerifier(file)
    length = 0
  }

  /// Adds bytes at the end.
  mutating func append(_ bytes: Data) throws {
    try handle.write(contentsOf: bytes)
    verifier.update(bytes)
    length += Int64(bytes.count)
  }

  /// Moves the complete file to its location.
  /// - Throws: `CommandFailure` (failed) when the content is not what the hub promised; it is
  ///   removed, because going on with it would never help.
  func complete(as target: URL) throws {
    guard length == file.size, verifier.matches else {
      try FileManager.default.removeItem(at: location)
      throw CommandFailure.failed(
        "\(file.name) does not have the checksum that the hub gives; it was removed: try again")
    }
    try handle.synchronize()
    try handle.close()
    try FileManager.default.moveItem(at: location, to: target)
  }
}

/// A hub's checksum of a file's content.
enum FileChecksum: Hashable, Sendable {
  /// SHA-256 of the bytes, lower-case hexadecimal: of files kept in large-file storage.
  case sha256(String)
  /// Git's name of the content, SHA-1 over `blob LENGTH NUL bytes`: of files kept in git itself.
  case gitBlob(String)

  var hexadecimal: String {
    switch self {
    case .sha256(let digits), .gitBlob(let digits): digits
    }
  }
}

/// Computes a file's checksum incrementally and compares it with the expected one at the end.
struct ChecksumVerifier {
  private enum State {
    case sha256(SHA256)
    case sha1(Insecure.SHA1)
  }

  private let expected: FileChecksum
  private var state: State

  init(_ file: HubFile) {
    expected = file.checksum
    switch file.checksum {
    case .sha256:
      state = .sha256(SHA256())
    case .gitBlob:
      var hash = Insecure.SHA1()
      hash.update(data: Array("blob \(file.size)\0".utf8))
      state = .sha1(hash)
    }
  }

  mutating func update(_ bytes: some DataProtocol) {
    switch state {
    case .sha256(var hash):
      hash.update(data: bytes)
      state = .sha256(hash)
    case .sha1(var hash):
      hash.update(data: bytes)
      state = .sha1(hash)
    }
  }

  /// Whether the bytes taken are the file's.
  var matches: Bool {
    switch state {
    case .sha256(let hash): Self.hexadecimal(hash.finalize()) == expected.hexadecimal
    case .sha1(let hash): Self.hexadecimal(hash.finalize()) == expected.hexadecimal
    }
  }

  private static func hexadecimal(_ digest: some Sequence<UInt8>) -> String {
    digest.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
  }
}
