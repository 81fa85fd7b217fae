import Foundation
import MockServing
import PlumiseWire
import Subprocess
import TestSupport
import Testing

@Suite("Nodes that live as agents", .timeLimit(.minutes(5)))
struct AgentNodeTests {
  private static let keys = [WalletTests.key, "0x" + String(repeating: "5d", count: 32)]

  private func options(
    _ oracle: String, key: String, model: String = PlumiseNetwork.model
  )
    -> [String]
  {
    [
      "node", "--model", ServiceTests.model, "--pipeline-oracle", oracle, "--pipeline-model", model,
      "--port", "0", "--http-port", "0", "--key-file", key, "--topology-interval", "0.1",
      "--report-interval", "1", "--json",
    ]
  }

  private func httpURL(_ service: Service) async throws -> String {
    let line = try await service.lines.next { $0.contains("\"node-http\"") }
    return try #require(try JSON.parse(line)["url"]?.stringValue)
  }

  @Test("Two nodes join the oracle's pipeline, generate together, report, and leave")
  func pipeline() async throws {
    try await withTemporaryFolder { folder in
      let files = try Self.keys.enumerated().map {
        try folder.write("key\($0)", Array("\($1)\n".utf8))
      }
      let secret = try folder.write("secret", Array("s3cret\n".utf8))
      let oracle = ["oracle", "--dialect", "deployed", "--port", "0", "--json"]
      _ = try await Command.withService(oracle) { oracle in
        let url = try await oracle.url()
        // Alone it gets all layers, and keeps its row for a while.
        let alone = try await Command.withService(options(url, key: files[0])) { node in
          #expect(try await node.event("assigned")["blocks"] == "0-23")
          _ = try await node.event("topology")
          // A second later: the oracle refuses a registration that is not newer than the agent's last.
          _ = try await node.event("reported")
          try node.send(.terminate)
        }
        #expect(alone.status == .exited(0), "\(alone.errors)")
        let last = try await Command.withService(options(url, key: files[1])) { last in
          #expect(try await last.event("assigned")["blocks"] == "12-23")
          _ = try await last.event("topology")
          let first = options(url, key: files[0]) + ["--api-secret-file", secret]
          let result = try await Command.withService(first) { first in
            #expect(try await first.event("assigned")["blocks"] == "0-11")
            let place = try await first.event("topology")
            #expect(place["order"] == 0 && place["nodes"] == 2)
            #expect(place["next"]?.stringValue?.hasPrefix("http://127.0.0.1:") == true)
            let body = #"{"inputs":"Hello","parameters":{"max_new_tokens":3,"do_sample":false}}"#
            let answer = try await fetch(
              try await httpURL(first) + "/api/v1/generate", "POST", body: Array(body.utf8),
              authorization: "Bearer s3cret")
            #expect(answer.status == 200, "\(answer.text)")
            #expect(try answer.json["num_tokens"] == 3)
            _ = try await first.lines.next {
              $0.contains(#""event":"reported""#) && $0.contains(#""tokens":3"#)
            }
            try first.send(.terminate)
          }
          #expect(result.status == .exited(0), "\(result.errors)")
          try last.send(.terminate)
        }
        #expect(last.status == .exited(0), "\(last.errors)")
        try oracle.send(.terminate)
      }
    }
  }

  @Test("Layers that the model does not have are refused with what to do")
  func foreignLayers() async throws {
    try await withTemporaryFolder { folder in
      let key = try folder.write("key", Array("\(Self.keys[0])\n".utf8))
      _ = try await Command.withService(
        ["oracle", "--dialect", "deployed", "--port", "0", "--json"]
      ) { oracle in
        let url = try await oracle.url()
        let result = try await Command.run(options(url, key: key, model: "unknown"))
        #expect(result.status == .exited(1))
        #expect(result.errors.contains("layers 0 to 31 of 32"), "\(result.errors)")
        #expect(result.errors.contains("--pipeline-model"), "\(result.errors)")
        try oracle.send(.terminate)
      }
    }
  }

  @Test("An oracle that is away leaves a node all layers, as the network's agents take them")
  func oracleAway() async throws {
    try await withTemporaryFolder { folder in
      let key = try folder.write("key", Array("\(Self.keys[0])\n".utf8))
      try await withClosedPort { address in
        let url = "http://127.0.0.1:\(address.port)"
        let result = try await Command.withService(options(url, key: key)) { node in
          let trouble = try await node.event("trouble")["message"]?.stringValue
          #expect(trouble?.contains("the pipeline was not joined") == true)
          let health = try await fetch(try await httpURL(node) + "/health").json
          #expect(health["layers"] == ["start": 0, "end": 24, "total": 24])
          #expect(health["mode"] == "single")
          try node.send(.terminate)
        }
        #expect(result.status == .exited(0), "\(result.errors)")
      }
    }
  }

  @Test("An agent needs a key and an HTTP port, and its options need an oracle")
  func options() async throws {
    let node = ["node", "--model", ServiceTests.model]
    let oracle = ["--pipeline-oracle", "http://127.0.0.1:1"]
    try await Command.run(node).expectRefusal("--blocks")
    try await Command.run(node + oracle).expectRefusal("--key-file", "--http-port")
    try await Command.run(node + ["--blocks", "0-23", "--legacy-stream"])
      .expectRefusal("--pipeline-oracle")
  }
}
