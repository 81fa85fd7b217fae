import AsyncHTTPClient
import Foundation
import NIOCore

/// Brings the files of one commit into a folder.
struct HubDownload: Sendable {
  let hub: Hub
  let name: HubName
  let commit: String
  let folder: URL

  /// How a file came to be there.
  enum Outcome: Hashable, Sendable {
    /// It was there before, whole.
    case present
    /// It was fetched, from this byte on.
    case fetched(from: Int64)
  }

  /// Brings one file; what came before an interruption is gone on with.
  /// - Parameter progress: told of the bytes that are there.
  func bring(_ file: HubFile, progress: (Int64) -> Void) async throws -> Outcome {
    let target = folder.appending(path: file.name)
    if FileManager.default.fileExists(atPath: target.path) {
      try requireSame(target, file)
      progress(file.size)
      return .present
    }
    var part = try CommandFailure.checkingInput { try PartialFile(file, in: folder) }
    // Whoever held the part until now may have put the whole in its place.
    guard !FileManager.default.fileExists(atPath: target.path) else {
      try FileManager.default.removeItem(at: part.place)
      return try await bring(file, progress: progress)
    }
    let beginning = part.length
    progress(part.length)
    do {
      try await Retries().run { came in
        while part.length < file.size { try await goOn(&part, &came, progress) }
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
  private func goOn(
    _ part: inout PartialFile, _ came: inout Int64, _ progress: (Int64) -> Void
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
      came += Int64(chunk.readableBytes)
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
      while let bytes = try handle.read(upToCount: 1 << 20), !bytes.isEmpty { verifier.take(bytes) }
      return verifier.matches
    }
    guard isSame else {
      throw CommandFailure.wrongInput(
        "\(target.path) is not what the hub has; remove it, or name another folder with --out")
    }
  }
}
