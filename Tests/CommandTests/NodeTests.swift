import Foundation
import MockServing
import PlumiseWire
import Subprocess
import TestSupport
import Testing

@Suite("A node and its chain", .timeLimit(.minutes(5)))
struct NodeChainTests {
  private static let node = [
    "node", "--model", ServiceTests.model, "--blocks", "0-23", "--port", "0", "--json",
    "--heartbeat-interval", "1",
  ]

  /// Runs a node with the agent of the first well-known account while a body runs.
  private func withNode(
    on chain: String, _ body: @Sendable (Service) async throws -> Void
  ) async throws {
    try await withTemporaryFolder { folder in
      let key = try folder.write("key", Array((WalletTests.key + "\n").utf8))
      let options = ["--key-file", key, "--chain-rpc", chain]
      let result = try await Command.withService(Self.node + options) { service in
        try await body(service)
        try service.send(.terminate)
      }
      #expect(result.status == .exited(0), "\(result.errors)")
    }
  }

  /// Asks a chain, and gives its result.
  private func ask(_ url: String, _ method: String, _ parameters: JSON...) async throws -> JSON {
    let answer = try await fetchRPC(url, method, parameters).json
    return try #require(answer["result"], "\(answer.text)")
  }

  private func isRegistered(_ url: String) async throws -> Bool {
    let status = try await ask(url, "agent_getStatus", .string(WalletTests.address.lowercased()))
    return status["registered"] == true
  }

  @Test("A chain that is reset under it is told of its agent anew")
  func reset() async throws {
    _ = try await Command.withService(["chain", "--port", "0", "--json"]) { chain in
      let url = try await chain.url()
      try await withNode(on: url) { node in
        let first = try #require(try await node.event("registered")["transaction"]?.stringValue)
        _ = try await node.event("heartbeat")
        _ = try await ask(url, "hardhat_reset")
        _ = try await node.lines.next { line in
          line.contains("\"registered\"") && !line.contains(first)
        }
        #expect(try await isRegistered(url))
        let trouble = try await node.event("trouble")["message"]?.stringValue
        #expect(trouble?.contains("does not know the agent any more") == true)
      }
      try chain.send(.terminate)
    }
  }

  @Test("A chain that starts anew without its state is told of its agent anew")
  func restart() async throws {
    let place = Holder("")
    _ = try await Command.withService(["chain", "--port", "0", "--json"]) { chain in
      place.set(try await chain.url())
      try chain.send(.terminate)
    }
    let url = place.value
    let port = try #require(url.split(separator: ":").last.map(String.init))
    // The node comes first: its chain is away at the start, and goes away once more.
    try await withNode(on: url) { node in
      _ = try await node.event("trouble")
      for round in 1...2 {
        _ = try await Command.withService(["chain", "--port", port, "--json"]) { chain in
          _ = try await node.lines.wait(forCount: round) { $0.contains("\"registered\"") }
          #expect(try await isRegistered(url))
          try chain.send(.terminate)
        }
      }
    }
  }

  @Test("A heartbeat that the chain reverts is told with its reason, and sent less often")
  func reverted() async throws {
    _ = try await Command.withService(["chain", "--port", "0", "--json"]) { chain in
      let url = try await chain.url()
      try await withNode(on: url) { node in
        _ = try await node.event("heartbeat")
        _ = try await ask(
          url, "plumise_setFaults",
          [["fault": "revert", "reason": "closed for today", "count": 0]])
        let trouble = try await node.event("trouble")["message"]?.stringValue ?? ""
        for words in [
          "the heartbeat failed", "was reverted: closed for today",
          "the next attempt is in 5.0 seconds",
        ] {
          #expect(trouble.contains(words), "\(trouble)")
        }
      }
      try chain.send(.terminate)
    }
  }
}

@Suite("A node and its oracle", .timeLimit(.minutes(5)))
struct NodeReportTests {
  private let node = ["node", "--model", ServiceTests.model, "--blocks", "0-23", "--port", "0"]

  @Test("A node reports in the deployed dialect, and what it sent last is in its file")
  func deployed() async throws {
    try await withTemporaryFolder { folder in
      let key = try folder.write("key", Array((WalletTests.key + "\n").utf8))
      let spool = folder.file("proofs")
      let (node, arguments) = (node, ["oracle", "--port", "0", "--json", "--dialect", "deployed"])
      _ = try await Command.withService(arguments) { oracle in
        let url = try await oracle.url()
        let options = [
          "--json", "--key-file", key, "--oracle", url, "--report-interval", "1",
          "--oracle-dialect", "deployed", "--proof-spool", spool,
        ]
        let result = try await Command.withService(node + options) { service in
          _ = try await service.event("reported")
          try service.send(.terminate)
        }
        #expect(result.status == .exited(0), "\(result.errors)")
        let agents = try await fetch(url + "/api/agents").json.arrayValue ?? []
        #expect(agents.count == 1)
        #expect(agents.first?["wallet"]?.stringValue == WalletTests.address.lowercased())
        let lines = try String(contentsOfFile: spool, encoding: .utf8).split(separator: "\n")
        let last = try JSON.parse(Array(try #require(lines.last).utf8))
        let metrics = try await fetch(url + "/api/v1/metrics/agents/" + WalletTests.address).json
        #expect(
          last["timestamp"]?.integerValue.map(String.init) == metrics["lastUpdated"]?.stringValue)
        try oracle.send(.terminate)
      }
    }
  }

  @Test("A report in the wrong dialect is trouble that names the status")
  func wrongDialect() async throws {
    try await withTemporaryFolder { folder in
      let key = try folder.write("key", Array((WalletTests.key + "\n").utf8))
      let (node, arguments) = (node, ["oracle", "--port", "0", "--json", "--dialect", "deployed"])
      _ = try await Command.withService(arguments) { oracle in
        let options = [
          "--json", "--key-file", key, "--oracle", try await oracle.url(),
          "--report-interval", "1",
        ]
        _ = try await Command.withService(node + options) { service in
          let message = try await service.event("trouble")["message"]?.stringValue
          #expect(message?.contains("404: Cannot POST /api/v1/report") == true)
          try service.send(.terminate)
        }
        try oracle.send(.terminate)
      }
    }
  }

  @Test("A file that holds no certificate, or no proof, is refused by its name")
  func wrongFiles() async throws {
    try await withTemporaryFolder { folder in
      let key = try folder.write("key", Array((WalletTests.key + "\n").utf8))
      let none = try folder.write("none", Array("neither a certificate nor a proof\n".utf8))
      for option in ["--oracle-ca", "--proof-spool"] {
        let options = ["--key-file", key, "--oracle", "https://127.0.0.1:1", option, none]
        try await Command.run(node + options).expectRefusal(none)
      }
    }
  }
}
