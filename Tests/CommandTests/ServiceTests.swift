import Foundation
import MockServing
import PlumiseWire
import Subprocess
import TestSupport
import TestVectors
import Testing

@Suite("Services", .timeLimit(.minutes(5)))
struct ServiceTests {
  static let model = TestVectors.bloom(.tinyF16).path
  static let services: [[String]] = [
    ["chain", "--port"], ["oracle", "--port"],
    ["gateway", "--oracle", "http://127.0.0.1:9", "--port"],
    ["node", "--model", model, "--blocks", "0-23", "--port"],
    ["node", "--model", model, "--blocks", "0-23", "--port", "0", "--http-port"],
  ]

  @Test("A service says where it listens, and stops when told to", arguments: services)
  func listensAndStops(_ arguments: [String]) async throws {
    let result = try await Command.withService(arguments + ["0", "--json"]) { service in
      let name = arguments.contains("--http-port") ? "node-http" : arguments[0]
      let line = try await service.lines.next { $0.contains("\"service\":\"\(name)\"") }
      let event = try JSON.parse(line)
      #expect(event["event"] == "listening")
      let scheme = name == "node" ? "grpc" : "http"
      #expect(event["url"]?.stringValue?.hasPrefix("\(scheme)://127.0.0.1:") == true)
      try service.send(.terminate)
    }
    #expect(result.status == .exited(0))
    #expect(result.errors.isEmpty, "\(result.errors)")
  }

  @Test("Ctrl-C is no failure of a service")
  func interrupt() async throws {
    let result = try await Command.withService(["chain", "--port", "0", "--json"]) { service in
      _ = try await service.url()
      try service.send(.interrupt)
    }
    #expect(result.status == .exited(0))
  }

  #if os(Linux)
    @Test("A login that allows few open files does not limit a service")
    func openFiles() async throws {
      _ = try await Command.withService(
        ["oracle", "--port", "0", "--json"], after: "ulimit -Sn 100"
      ) { service in
        _ = try await service.url()
        let limits = try String(
          contentsOfFile: "/proc/\(service.processID)/limits", encoding: .utf8)
        let line = try #require(
          limits.split(separator: "\n").first { $0.hasPrefix("Max open files") })
        let numbers = line.split(separator: " ").compactMap { Int($0) }
        try #require(numbers.count == 2, "\(line)")
        let (soft, hard) = (numbers[0], numbers[1])
        #expect(soft == min(hard, 65_536))
        try service.send(.terminate)
      }
    }
  #endif

  @Test("A port in use is refused by its number", arguments: services)
  func portInUse(_ arguments: [String]) async throws {
    _ = try await Command.withService(["chain", "--port", "0", "--json"]) { other in
      let url = try await other.url()
      let port = try #require(url.split(separator: ":").last.map(String.init))
      try await Command.run(arguments + [port]).expectRefusal("port \(port)", "in use")
      try other.send(.terminate)
    }
  }

  @Test("The ten accounts of the chain are those of the well-known mnemonic")
  func accounts() async throws {
    let result = try await Command.withService(["chain", "--port", "0"]) { service in
      _ = try await service.lines.next { $0.hasPrefix("listening on http://127.0.0.1:") }
      try service.send(.terminate)
    }
    #expect(result.output.contains(WalletTests.address))
    #expect(result.output.contains(WalletTests.key))
    #expect(result.output.contains("0xa0Ee7A142d267C1f36714E4a8F75612F20a79720"))
  }

  @Test("What --block-time says wins over what the chain's file remembers")
  func blockTimeOverState() async throws {
    try await withTemporaryFolder { folder in
      let chain = ["chain", "--port", "0", "--json", "--state", folder.file("chain.jsonl")]
      let said: [(arguments: [String], isAutomatic: Bool)] = [
        (["--block-time", "3600"], false), ([], false), (["--block-time", "0"], true), ([], true),
      ]
      for (arguments, isAutomatic) in said {
        _ = try await Command.withService(chain + arguments) { service in
          let answer = try await fetchRPC(try await service.url(), "eth_mining").json
          #expect(answer["result"] == .bool(isAutomatic))
          try service.send(.terminate)
        }
      }
    }
  }

  @Test("With --log calls the chain writes a line for each request, and why a transaction failed")
  func logsCalls() async throws {
    let result = try await Command.withService(
      ["chain", "--port", "0", "--json", "--log", "calls"]
    ) { service in
      let url = try await service.url()
      _ = try await fetchRPC(url, "eth_chainId")
      // A heartbeat of nobody: precompile 0x22 reverts it.
      let request: JSON = [
        "from": .string(WalletTests.address), "to": "0x0000000000000000000000000000000000000022",
        "gas": "0x186a0",
      ]
      _ = try await fetchRPC(url, "eth_sendTransaction", [request])
      _ = try await fetchRPC(url, "anvil_setLoggingEnabled", [false])
      _ = try await fetchRPC(url, "net_version")
      try service.send(.terminate)
    }
    #expect(result.errors.contains("eth_chainId() → \"0xa3e4\""))
    #expect(result.errors.contains("failed: execution reverted: agentHeartbeat: not registered"))
    #expect(!result.errors.contains("net_version"))
  }

  @Test("Blocks are sealed as on the live chain, unless --no-proof-of-authority is given")
  func seal() async throws {
    for (options, length) in [([], 97), (["--no-proof-of-authority"], 18)] as [([String], Int)] {
      _ = try await Command.withService(["chain", "--port", "0", "--json"] + options) { service in
        let url = try await service.url()
        _ = try await fetchRPC(url, "evm_mine")
        let block = try await fetchRPC(url, "eth_getBlockByNumber", ["latest", false]).json
        let data = try #require(block["result"]?["extraData"]?.stringValue)
        #expect(data.count == 2 + 2 * length)
        try service.send(.terminate)
      }
    }
  }

  @Test("With --json the chain's accounts come with the line that says where it listens")
  func accountsInJSON() async throws {
    _ = try await Command.withService(["chain", "--port", "0", "--json"]) { service in
      let accounts = try #require(try await service.event("listening")["accounts"]?.arrayValue)
      #expect(accounts.count == 10)
      #expect(accounts.first?["address"]?.stringValue == WalletTests.address)
      #expect(accounts.first?["key"]?.stringValue == WalletTests.key)
      try service.send(.terminate)
    }
  }
}

@Suite("Files with one owner", .timeLimit(.minutes(5)))
struct FileOwnerTests {
  private func chain(_ file: String) -> [String] {
    ["chain", "--port", "0", "--json", "--state", file]
  }

  private func ask(_ url: String, _ method: String, _ parameters: [JSON] = []) async throws -> JSON
  {
    let answer = try await fetchRPC(url, method, parameters).json
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
