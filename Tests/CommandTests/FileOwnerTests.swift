import AsyncHTTPClient
import Foundation
import NIOCore
import PlumiseWire
import Subprocess
import Testing

@Suite("Files with one owner", .timeLimit(.minutes(5)))
struct FileOwnerTests {
  private func chain(_ file: String) -> [String] {
    ["chain", "--port", "0", "--json", "--state", file]
  }

  private func ask(_ url: String, _ method: String, _ parameters: [JSON] = []) async throws -> JSON
  {
    var request = HTTPClientRequest(url: url)
    request.method = .POST
    request.headers.add(name: "Content-Type", value: "application/json")
    let call = RPCRequest(id: 1, method: method, params: parameters)
    request.body = .bytes(ByteBuffer(bytes: call.json.serialized()))
    let response = try await HTTPClient.shared.execute(request, timeout: .seconds(30))
    let answer = try JSON.parse(try await response.body.collect(upTo: 1 << 20).readableBytesView)
    return try #require(answer["result"])
  }

  @Test("A second chain on the same state file is refused, and names the file and the first one")
  func secondChain() async throws {
    try await withTemporaryFolder { folder in
      let file = folder.file("chain.jsonl")
      _ = try await Command.withService(chain(file)) { service in
        let url = try await service.url()
        _ = try await ask(url, "evm_mine")
        for _ in 0..<2 {
          try await Command.run(chain(file)).expectRefusal(
            "--state \(file)", "in use", "process \(service.processID) (petals-e2e)")
        }
        _ = try await ask(url, "evm_mine")
        #expect(try await ask(url, "eth_blockNumber") == "0x2")
        // The kernel frees the file, however the first one ends.
        try service.send(.kill)
      }
      _ = try await Command.withService(chain(file)) { service in
        #expect(try await ask(service.url(), "eth_blockNumber") == "0x2")
        try service.send(.terminate)
      }
    }
  }

  @Test("A second node on the same file of proofs is refused, and names the file and the first one")
  func secondNode() async throws {
    try await withTemporaryFolder { folder in
      let key = try folder.write("key", Array((WalletTests.key + "\n").utf8))
      let file = folder.file("proofs")
      let node = [
        "node", "--model", ServiceTests.model, "--blocks", "0-23", "--port", "0", "--json",
        "--key-file", key, "--oracle", "http://127.0.0.1:9", "--proof-spool", file,
      ]
      for _ in 0..<2 {
        _ = try await Command.withService(node) { service in
          _ = try await service.url()
          try await Command.run(node).expectRefusal(
            file, "in use", "process \(service.processID) (petals-e2e)")
          // The kernel frees the file, however the first one ends.
          try service.send(.kill)
        }
      }
    }
  }

  @Test("A chain that is killed after it went back to a snapshot goes on from there")
  func killedAfterRevert() async throws {
    try await withTemporaryFolder { folder in
      let file = folder.file("chain.jsonl")
      for life in 0..<3 {
        _ = try await Command.withService(chain(file)) { service in
          let url = try await service.url()
          let height = try await ask(url, "eth_getBlockByNumber", ["latest", false])["hash"]
          let snapshot = try await ask(url, "evm_snapshot")
          _ = try await ask(url, "anvil_mine", ["0x10"])
          #expect(try await ask(url, "evm_revert", [snapshot]) == true)
          let again = try await ask(url, "eth_getBlockByNumber", ["latest", false])["hash"]
          #expect(again == height)
          #expect(
            try await ask(url, "eth_blockNumber") == .string("0x\(life)"))
          _ = try await ask(url, "evm_mine")
          try service.send(.kill)
        }
      }
    }
  }

  @Test(
    "A state file that is none is refused in words that help, and stays as it is",
    arguments: [
      ("SQLite format 3\0\u{1}\u{1}\n", "SQLite database"), ("hello\n", "no state file"),
      ("{\"plumiseChain\":99}\n", "form 99"),
    ])
  func strangeState(content: String, word: String) async throws {
    try await withTemporaryFolder { folder in
      let file = folder.file("chain.jsonl")
      try Data(content.utf8).write(to: URL(filePath: file))
      try await Command.run(chain(file)).expectRefusal("--state \(file)", word)
      #expect(try Data(contentsOf: URL(filePath: file)) == Data(content.utf8))
    }
  }

  @Test("A state file that may only be read is refused")
  func readOnlyState() async throws {
    try await withTemporaryFolder { folder in
      let file = folder.file("chain.jsonl")
      try Data().write(to: URL(filePath: file))
      try FileManager.default.setAttributes([.posixPermissions: 0o444], ofItemAtPath: file)
      try await Command.run(chain(file)).expectRefusal("--state \(file)", "Permission denied")
    }
  }
}
