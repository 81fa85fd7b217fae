import EthereumClient
import Foundation
import MockWeb3
import SystemErrors
import TestSupport
import Testing

@Suite("A state file has one owner", .timeLimit(.minutes(5)))
struct StateFileOwnerTests {
  private static func inUse(_ file: URL) -> FileError {
    .inUse(path: file.path, purpose: .chainState, holder: "this process")
  }

  private static func unusable(_ path: String, _ reason: String) -> FileError {
    .unusable(path: path, purpose: .chainState, reason: reason)
  }

  @Test("A lock is free once its owner is gone, though a child was just forked with its descriptor")
  func copies() async throws {
    try await withTemporaryFolder { folder in
      let path = folder.appending(path: "file").path
      var lock: FileLock? = try FileLock(path: path)
      // What fork(2) gives to a child until it begins its own program.
      let copy = dup(try #require(lock).descriptor)
      defer { close(copy) }
      lock = nil
      _ = try FileLock(path: path)
    }
  }

  @Test("A second chain on the same file is refused, until the first one is gone")
  func second() async throws {
    try await withTemporaryFolder { folder in
      let file = folder.appending(path: "chain")
      func life() throws -> [UInt8] {
        let kept = try KeptChain(file)
        kept.chain.mine()
        let before = try kept.bytes()
        #expect(throws: Self.inUse(file)) {
          try KeptChain(file)
        }
        // After the file was written anew it is still this chain's.
        kept.chain.mine()
        #expect(try kept.bytes().starts(with: before))
        return try kept.bytes()
      }
      _ = try life()
      let after = try KeptChain(file)
      #expect(after.chain.blockNumber == 2)
      _ = try await after.network.client.request("hardhat_reset")
      #expect(throws: Self.inUse(file)) {
        try KeptChain(file)
      }
      #expect(throws: Self.inUse(file)) {
        try TestChain().chain.dump(to: file)
      }
    }
  }

  @Test(
    "A file of somebody else is refused by what it is, and stays as it is",
    arguments: [
      ("SQLite format 3\0\u{10}\0\u{1}\u{1}\nmore", FileError.databaseAsStateFile),
      ("SQLite format 3\0", .databaseAsStateFile), ("hello", .notAStateFile),
      ("hello\n", .notAStateFile),
      ("{}\n", .notAStateFile), ("\n", .notAStateFile), ("{\"timestamp\":0}\n", .notAStateFile),
      ("{\"plumiseChain\":2}\n", .unsupportedStateVersion(2, readable: 3...4)),
      ("{\"plumiseChain\":5,\"genesis\":\"0x\"}\n", .unsupportedStateVersion(5, readable: 3...4)),
      (
        "{\"plumiseChain\":-9223372036854775808}\n",
        .unsupportedStateVersion(.min, readable: 3...4)
      ),
    ])
  func strangers(content: String, error: FileError) async throws {
    try await withTemporaryFolder { folder in
      let file = folder.appending(path: "chain")
      try Data(content.utf8).write(to: file)
      #expect(throws: error.ofFile(file.path)) { try KeptChain(file) }
      #expect(try Data(contentsOf: file) == Data(content.utf8))
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["chain"])
    }
  }

  @Test("A file that may only be read is refused, and stays as it is")
  func readOnly() async throws {
    try await withTemporaryFolder { folder in
      let file = folder.appending(path: "chain")
      func life() throws -> [UInt8] {
        let kept = try KeptChain(file)
        kept.chain.mine()
        return try kept.bytes()
      }
      let bytes = try life()
      try FileManager.default.setAttributes([.posixPermissions: 0o444], ofItemAtPath: file.path)
      #expect(throws: Self.unusable(file.path, "Permission denied")) {
        try KeptChain(file)
      }
      #expect(Array(try Data(contentsOf: file)) == bytes)
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["chain"])
    }
  }

  @Test("What is no file is refused", arguments: ["/dev/null"])
  func devices(path: String) {
    #expect(throws: Self.unusable(path, "Not a regular file")) {
      try KeptChain(URL(filePath: path))
    }
  }

  @Test("A link to a file stays a link, and what it leads to is kept")
  func link() async throws {
    try await withTemporaryFolder { folder in
      let (file, link) = (folder.appending(path: "chain"), folder.appending(path: "link"))
      func life() throws {
        let kept = try KeptChain(file)
        kept.chain.mine(2)
      }
      try life()
      try FileManager.default.createSymbolicLink(at: link, withDestinationURL: file)
      let kept = try KeptChain(link)
      #expect(kept.chain.blockNumber == 2)
      kept.chain.mine()
      let destination = try FileManager.default.destinationOfSymbolicLink(atPath: link.path)
      #expect(destination == file.path)
      #expect(throws: Self.inUse(file)) {
        try KeptChain(file)
      }
    }
  }

  @Test("A refusal leaves no file behind where there was none")
  func nothingLeft() async throws {
    try await withTemporaryFolder { folder in
      let missing = folder.appending(path: "missing")
      let dangling = folder.appending(path: "dangling")
      try FileManager.default.createSymbolicLink(at: dangling, withDestinationURL: missing)
      #expect(throws: FileError.self) { try KeptChain(dangling) }
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["dangling"])
    }
  }
}
