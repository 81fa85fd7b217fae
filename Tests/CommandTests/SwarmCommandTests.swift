import Foundation
import PlumiseWire
import Subprocess
import TestSupport
import TestVectors
import Testing
import petals_e2e

@Suite("Swarm commands", .timeLimit(.minutes(5)))
struct SwarmCommandTests {
  /// The p2pd that `make deps-swarm` fetched, or another one.
  ///
  /// The commands of tests have a cache of their own, so they are told.
  private static var daemon: String? {
    let environment = ProcessInfo.processInfo.environment
    let cache = environment["XDG_CACHE_HOME"] ?? (environment["HOME"] ?? "") + "/.cache"
    let folders = (environment["PATH"] ?? "").split(separator: ":").map(String.init)
    let files = folders.map { $0 + "/p2pd" } + [cache + "/petals-e2e/p2pd"]
    return environment["PETALS_P2PD"]
      ?? files.first { FileManager.default.isExecutableFile(atPath: $0) }
  }

  private static var isThere: Bool { daemon != nil }
  private static var variables: [Environment.Key: String] { ["PETALS_P2PD": daemon ?? ""] }
  private static let reason: Comment = "p2pd is missing: run `make deps-swarm`"

  /// The address of a service's peer.
  private func swarmURL(_ service: Service) async throws -> String {
    let line = try await service.lines.next { $0.contains("\"swarm\"") }
    return try #require(try JSON.parse(line)["url"]?.stringValue)
  }

  /// Runs nodes that join a swarm, in the order of their blocks.
  private func withNodes(
    _ blocks: [String], of swarm: String, _ body: @escaping @Sendable () async throws -> Void
  ) async throws {
    guard let first = blocks.first else { return try await body() }
    let result = try await Command.withService(
      [
        "node", "--model", GenerateTests.tiny, "--blocks", first, "--port", "0", "--swarm", swarm,
        "--swarm-name", "node \(first)", "--json",
      ], with: Self.variables
    ) { node in
      _ = try await swarmURL(node)
      try await withNodes(Array(blocks.dropFirst()), of: swarm, body)
      try node.send(.terminate)
    }
    #expect(result.status == .exited(0), "\(result.errors)")
  }

  @Test(
    "A bootstrap peer and two nodes make a swarm whose tokens are those of one process",
    .enabled(if: isThere, reason))
  func generation() async throws {
    let request = [
      "--model", GenerateTests.tiny, "--token-ids", "5,6,7", "--max-new-tokens", "8", "--json",
    ]
    let alone = try await Command.run(["generate"] + request).json()["generated_ids"]
    let result = try await Command.withService(
      [
        "swarm", "bootstrap", "--swarm-port", "0", "--json",
      ], with: Self.variables
    ) { bootstrap in
      let swarm = try await swarmURL(bootstrap)
      try await withNodes(["0-11", "12-23"], of: swarm) {
        let generated = try await Command.run(
          ["generate", "--swarm", swarm] + request, with: Self.variables)
        #expect(generated.status == .exited(0), "\(generated.errors)")
        #expect(try generated.json()["generated_ids"] == alone)
        #expect(
          try generated.json()["route"]?.arrayValue?.map { $0["blocks"] } == [[0, 12], [12, 24]])
        let status = try await Command.run(
          ["swarm", "status", "--model", GenerateTests.tiny, "--swarm", swarm, "--json"],
          with: Self.variables)
        let servers = try status.json()["servers"]?.arrayValue
        #expect(servers?.map { $0["name"]?.stringValue } == ["node 0-11", "node 12-23"])
        #expect(try status.json()["unserved"] == [])
      }
      let status = try await Command.run(
        ["swarm", "status", "--model", GenerateTests.tiny, "--swarm", swarm], with: Self.variables)
      #expect(status.output.contains("no server of tiny-f16-petals"), "\(status.output)")
      try bootstrap.send(.terminate)
    }
    #expect(result.status == .exited(0), "\(result.errors)")
  }

  @Test(
    "A node that is told a number of blocks takes those that nobody serves, and moves where it is needed",
    .enabled(if: isThere, reason))
  func placement() async throws {
    let result = try await Command.withService(
      ["swarm", "bootstrap", "--swarm-port", "0", "--json"], with: Self.variables
    ) { bootstrap in
      let swarm = try await swarmURL(bootstrap)
      let mover = try await Command.withService(
        [
          "node", "--model", GenerateTests.tiny, "--num-blocks", "12", "--port", "0",
          "--http-port", "0", "--swarm", swarm, "--balance-interval", "0.1", "--json",
        ], with: Self.variables
      ) { node in
        let placed = try await node.event("placed")
        #expect(placed["blocks"] == "0-11")
        #expect(placed["total"] == 24)
        let http = try await node.lines.next { $0.contains("node-http") }
        // Another one on the same blocks, which stay with it: then the first one has to move.
        try await withNodes(["0-11"], of: swarm) {
          let moving = try await node.event("moving")
          #expect(moving["blocks"] == "0-11")
          #expect(moving["target"] == "12-23")
          #expect(moving["reason"]?.stringValue?.contains("are left for 12-23") == true)
          let lines = try await node.lines.wait(forCount: 2) { $0.contains("\"placed\"") }
          #expect(try JSON.parse(lines[1])["blocks"] == "12-23")
          // It listens where it did.
          let ports = try await node.lines.wait(forCount: 2) { $0.contains("node-http") }
          #expect(ports == [http, http])
          _ = try await node.lines.wait(forCount: 2) { $0.contains("\"swarm\"") }
          let generated = try await Command.run(
            [
              "generate", "--model", GenerateTests.tiny, "--token-ids", "5,6,7", "--max-new-tokens",
              "4", "--swarm", swarm, "--json",
            ], with: Self.variables)
          #expect(generated.status == .exited(0), "\(generated.errors)")
          #expect(
            try generated.json()["route"]?.arrayValue?.map { $0["blocks"] } == [
              [0, 12], [12, 24],
            ])
        }
        try node.send(.terminate)
      }
      #expect(mover.status == .exited(0), "\(mover.errors)")
      try bootstrap.send(.terminate)
    }
    #expect(result.status == .exited(0), "\(result.errors)")
  }

  @Test(
    "Servers of another model under the same name are left alone, and the log says why",
    .enabled(if: isThere, reason))
  func otherModel() async throws {
    let other = TestVectors.bloom(.oddF32Sharded).path
    let result = try await Command.withService(
      ["swarm", "bootstrap", "--swarm-port", "0", "--json"], with: Self.variables
    ) { bootstrap in
      let swarm = try await swarmURL(bootstrap)
      try await withNodes(["0-23"], of: swarm) {
        let options = ["--model", other, "--swarm", swarm, "--swarm-prefix", "tiny-f16-petals"]
        let generated = try await Command.run(
          ["generate", "--token-ids", "5,6", "--log", "notice"] + options, with: Self.variables)
        #expect(generated.status == .exited(1))
        #expect(generated.errors.contains("a server is left alone"), "\(generated.errors)")
        #expect(generated.errors.contains("it serves another model"), "\(generated.errors)")
        let status = try await Command.run(
          ["swarm", "status", "--json"] + options, with: Self.variables)
        #expect(try status.json()["servers"]?.arrayValue?.map { $0["other_model"] } == [true])
        #expect(try status.json()["unserved"]?.arrayValue?.count == 24)
        let text = try await Command.run(["swarm", "status"] + options, with: Self.variables)
        #expect(text.output.contains("of other weights"), "\(text.output)")
      }
      try bootstrap.send(.terminate)
    }
    #expect(result.status == .exited(0), "\(result.errors)")
  }

  @Test("As many blocks are served as memory has room for, with caches for what is left")
  func memory() throws {
    // A block takes 100 bytes, and 4096 tokens of 1 byte; a tenth is left to the rest.
    let unit = 100 + BlockMemory.cachedTokens
    func memory(_ bytes: Int) -> BlockMemory? {
      BlockMemory(bytes: bytes, weights: 100, cache: 1, most: 24)
    }
    #expect(memory(unit) == nil)
    let one = try #require(memory(unit * 2))
    #expect(one.blockCount == 1)
    #expect(one.cacheBudget == unit * 2 - unit * 2 / 10 - 100)
    #expect(memory(unit * 10)?.blockCount == 9)
    let all = try #require(memory(.max / 2))
    #expect(all.blockCount == 24)
    #expect(BlockMemory(blockCount: 7).cacheBudget == nil)
  }

  @Test("p2pd ends with a command that is killed", .enabled(if: isThere, reason))
  func killed() async throws {
    _ = try await Command.withService(
      [
        "swarm", "bootstrap", "--swarm-port", "0", "--json",
      ], with: Self.variables
    ) { bootstrap in
      _ = try await swarmURL(bootstrap)
      let shell = try #require(ChildProcesses.of(bootstrap.processID).first)
      let daemon = try #require(ChildProcesses.of(shell).first)
      #expect(ChildProcesses.arguments(of: daemon).contains { $0.hasPrefix("-listen=") })
      try bootstrap.send(.kill)
      try await ChildProcesses.end(of: daemon)
    }
  }

  @Test(
    "A command whose p2pd ends says so", .enabled(if: isThere, reason),
    arguments: [
      ["swarm", "bootstrap", "--swarm-port", "0"],
      [
        "node", "--model", GenerateTests.tiny, "--blocks", "0-11", "--port", "0", "--swarm", "new",
      ],
    ])
  func daemonEnds(arguments: [String]) async throws {
    let result = try await Command.withService(
      arguments + ["--json"], with: Self.variables
    ) { service in
      _ = try await swarmURL(service)
      let shell = try #require(ChildProcesses.of(service.processID).first)
      let daemon = try #require(ChildProcesses.of(shell).first)
      _ = kill(daemon, SIGKILL)
    }
    #expect(result.status == .exited(1))
    #expect(result.errors.contains("p2pd has ended"), "\(result.errors)")
  }

  @Test("What cannot be a swarm is wrong input, with what to do")
  func refusals() async throws {
    let model = GenerateTests.tiny
    let address = "/ip4/127.0.0.1/tcp/1/p2p/12D3KooWGtqgWSLV7YCsgUxcpdJnMVPZXTSUZrv2qVAcLJozFpbf"
    let cases: [([String], String)] = [
      (
        ["generate", "--model", model, "--token-ids", "5", "--swarm", "here:1"],
        "/ip4/ADDRESS/tcp/PORT"
      ),
      (
        ["generate", "--model", model, "--token-ids", "5", "--swarm", address, "--peers", "a:1"],
        "either --peers or --swarm"
      ),
      (["swarm", "bootstrap", "--p2pd", "/none/p2pd"], "make deps-swarm"),
      (
        ["swarm", "status", "--model", model, "--swarm", address, "--swarm-prefix", "a.b"],
        "neither dots nor spaces"
      ),
      (["node", "--model", model, "--num-blocks", "12"], "--num-blocks needs --swarm"),
      (
        ["node", "--model", model, "--num-blocks", "12", "--blocks", "0-11", "--swarm", "new"],
        "leave out --blocks"
      ),
      (
        ["node", "--model", model, "--blocks", "0-11", "--swarm", "new", "--memory-mb", "5"],
        "--memory-mb needs --num-blocks auto"
      ),
      (
        ["node", "--model", model, "--num-blocks", "0", "--swarm", "new"], "auto, or a whole number"
      ),
    ]
    for (arguments, words) in cases {
      let result = try await Command.run(arguments)
      #expect(result.status == .exited(2), "\(arguments)")
      #expect(result.errors.contains(words), "\(result.errors)")
    }
  }

  @Test(
    "A node that moves proves on chain what it did before, with the agent that it had",
    .enabled(if: isThere, reason))
  func movedAgent() async throws {
    // The chain is away until the node has moved: what it did before waits for it.
    let place = Holder("")
    _ = try await Command.withService(["chain", "--port", "0", "--json"]) { chain in
      place.set(try await chain.url())
      try chain.send(.terminate)
    }
    let url = place.value
    let chain = ["chain", "--port", try #require(url.split(separator: ":").last.map(String.init))]
    try await withTemporaryFolder { folder in
      let key = try folder.write("key", Array((WalletTests.key + "\n").utf8))
      let result = try await Command.withService(
        ["swarm", "bootstrap", "--swarm-port", "0", "--json"], with: Self.variables
      ) { bootstrap in
        let swarm = try await swarmURL(bootstrap)
        let mover = try await Command.withService(
          [
            "node", "--model", GenerateTests.tiny, "--num-blocks", "12", "--port", "0",
            "--http-port", "0", "--admin-port", "0", "--swarm", swarm, "--balance-interval", "0.1",
            "--key-file", key, "--chain-rpc", url, "--heartbeat-interval", "1", "--json",
          ], with: Self.variables
        ) { node in
          #expect(try await node.event("placed")["blocks"] == "0-11")
          _ = try await swarmURL(node)
          try await withNodes(["12-23"], of: swarm) {
            let generated = try await Command.run(
              [
                "generate", "--model", GenerateTests.tiny, "--token-ids", "5,6,7",
                "--max-new-tokens", "4", "--swarm", swarm, "--json",
              ], with: Self.variables)
            #expect(generated.status == .exited(0), "\(generated.errors)")
          }
          // Nobody serves 12-23 now, and another one what it serves itself.
          try await withNodes(["0-11"], of: swarm) {
            #expect(try await node.event("moving")["target"] == "12-23")
            _ = try await node.lines.wait(forCount: 2) { $0.contains("\"node-http\"") }
            let result = try await Command.withService(chain + ["--json"]) { chain in
              #expect(try await node.event("verified")["tokens"] == 4)
              _ = try await node.event("heartbeat")
              try chain.send(.terminate)
            }
            #expect(result.status == .exited(0), "\(result.errors)")
          }
          for once in ["\"registered\"", "\"node-admin\"", "\"verified\""] {
            #expect(node.lines.entries.count { $0.contains(once) } == 1, "\(node.lines.entries)")
          }
          try node.send(.terminate)
        }
        #expect(mover.status == .exited(0), "\(mover.errors)")
        try bootstrap.send(.terminate)
      }
      #expect(result.status == .exited(0), "\(result.errors)")
    }
  }
}
