import Foundation
import PlumiseWire
import Subprocess
import Testing

@Suite("Oracle stores", .timeLimit(.minutes(5))) struct OracleStoreTests {
  private func command(_ path: String) -> [String] {
    ["oracle", "--port", "0", "--json", "--store", path]
  }

  /// Makes a store, as a file that nobody has.
  private func makeStore(_ path: String) async throws {
    let result = try await Command.withService(command(path)) { service in
      _ = try await service.url()
      try service.send(.terminate)
    }
    #expect(result.status == .exited(0))
  }

  @Test("A second oracle on a store exits 2 and names the file and the process that has it")
  func second() async throws {
    try await withTemporaryFolder { folder in
      let path = folder.file("o.sqlite")
      let command = command(path)
      // The second life begins at once: the system frees what a killed process had.
      for _ in 0..<2 {
        _ = try await Command.withService(command) { service in
          let url = try await service.url()
          let other = try await Command.run(command)
          #if os(Linux)
            other.expectRefusal(path, "process \(service.processID) (petals-e2e)", "in use")
          #else
            other.expectRefusal(path, "another process", "in use")
          #endif
          #expect(try await fetch(url + "/health").status == 200)
          try service.send(.kill)
        }
      }
      try await makeStore(path)
    }
  }

  @Test("A file that is no store of this version exits 2 with what it is, and nothing is written")
  func refused() async throws {
    try await withTemporaryFolder { folder in
      let store = folder.file("o.sqlite")
      try await makeStore(store)
      let bytes = try Data(contentsOf: URL(filePath: store))
      /// The store with four bytes of its head changed.
      func changed(at offset: Int, to value: UInt8) -> Data {
        var copy = bytes
        copy.replaceSubrange(offset..<offset + 4, with: [0, 0, 0, value])
        return copy
      }
      let cases: [(Data, Int, [String])] = [
        (Data("no database at all".utf8), 0o600, ["no SQLite database"]),
        (changed(at: 68, to: 9), 0o600, ["another program", "application id 0x9"]),
        (changed(at: 60, to: 99), 0o600, ["newer version", "99"]),
        (bytes, 0o444, ["may not be written"]),
      ]
      for (index, (contents, mode, words)) in cases.enumerated() {
        let path = try folder.write("\(index)", contents, mode: mode)
        let before = try FileManager.default.contentsOfDirectory(atPath: folder.path)
        let result = try await Command.run(command(path))
        result.expectRefusal(path)
        for word in words { result.expectRefusal(word) }
        #expect(try Data(contentsOf: URL(filePath: path)) == contents)
        let after = try FileManager.default.contentsOfDirectory(atPath: folder.path)
        #expect(Set(after) == Set(before))
      }
    }
  }
}
