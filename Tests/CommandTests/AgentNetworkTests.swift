import MockServing
import PlumiseWire
import Subprocess
import TestSupport
import Testing

@Suite("A network of agents", .timeLimit(.minutes(5)))
struct AgentNetworkTests {
  private static let up = ["up", "--network", "agents", "--model", "tiny", "--ports", "auto"]

  private func chat(_ network: JSON) async throws -> FetchedAnswer {
    let gateway = try #require(network["gateway"]?.stringValue)
    return try await fetch(
      gateway + "/v1/chat/completions",
      json: [
        "model": network["pipeline_model"] ?? .null, "max_tokens": 2, "temperature": 0,
        "messages": [["role": "user", "content": "Hello"]],
      ])
  }

  @Test("An agent of another program takes a place, chats go through it, and the oracle serves it")
  func freePlace() async throws {
    let result = try await Command.withService(Self.up + ["--leave-place", "2", "--json"]) {
      service in
      let network = try await service.event("up")
      #expect(network["network"] == "agents")
      #expect(network["nodes"]?.arrayValue?.map { $0["blocks"] } == ["0-11"])
      let place = try #require(network["free_place"])
      #expect(place["blocks"] == "12-23")
      // Nobody is there yet.
      #expect(try await chat(network).status == 503)

      try await withTemporaryFolder { folder in
        let key = try #require(place["key"]?.stringValue)
        let port = try #require(place["grpc"]?.stringValue?.split(separator: ":").last)
        let agent = [
          "node", "--model", try #require(network["model"]?.stringValue), "--pipeline-oracle",
          try #require(network["oracle"]?.stringValue), "--pipeline-model",
          try #require(network["pipeline_model"]?.stringValue), "--port", String(port),
          "--http-port", "0", "--key-file", try folder.write("key", Array("\(key)\n".utf8)),
          "--ram-mb", "\(try #require(place["ram_mb"]?.integerValue))", "--json",
        ]
        let result = try await Command.withService(agent) { agent in
          #expect(try await agent.event("assigned")["blocks"] == "12-23")
          #expect(try await agent.event("topology")["order"] == 1)
          let answer = try await chat(network)
          #expect(answer.status == 200, "\(answer.text)")
          #expect(try answer.json["usage"]?["completion_tokens"]?.integerValue ?? 0 > 0)
          try agent.send(.terminate)
        }
        #expect(result.status == .exited(0), "\(result.errors)")
      }

      // A gateway as the real one is uses none of them, which are on this machine.
      let gateway = [
        "gateway", "--oracle", try #require(network["oracle"]?.stringValue), "--model",
        try #require(network["pipeline_model"]?.stringValue), "--port", "0", "--json",
      ]
      let refusing = try await Command.withService(gateway) { gateway in
        let message = try await gateway.event("trouble")["message"]?.stringValue
        let url = try #require(network["nodes"]?[0]?["http"]?.stringValue)
        #expect(message?.contains(url) == true && message?.contains("--allow-loopback") == true)
        try gateway.send(.terminate)
      }
      #expect(refusing.status == .exited(0), "\(refusing.errors)")

      let admin = try #require(network["oracle_admin"]?.stringValue)
      let beats = try await fetch(admin + "/operations/heartbeats", "POST").json
      let agents = beats["outcomes"]?.arrayValue?.filter { $0["operation"] == "heartbeats" }
        .compactMap { $0["agent"]?.stringValue }
      let expected = [network["nodes"]?[0]?["agent"], place["agent"]].compactMap { $0?.stringValue }
      #expect(Set(agents ?? []) == Set(expected))
      try service.send(.terminate)
    }
    #expect(result.status == .exited(0), "\(result.errors)")
  }

  @Test("Places and models that the pipeline does not have are refused before anything starts")
  func refusals() async throws {
    try await Command.run(["up", "--leave-place", "1"]).expectRefusal("--network agents")
    try await Command.run(Self.up + ["--leave-place", "3"]).expectRefusal("--leave-place 3", "2")
  }

  @Test("What the oracle is not to do on the chain by itself is not there to be done")
  func switches() async throws {
    try await withTemporaryFolder { folder in
      _ = try await Command.withService(["chain", "--port", "0", "--json"]) { chain in
        let listening = try await chain.event("listening")
        let key = try #require(listening["accounts"]?.arrayValue?.last?["key"]?.stringValue)
        let arguments = [
          "oracle", "--port", "0", "--admin-port", "0", "--dialect", "deployed", "--chain-rpc",
          try #require(listening["url"]?.stringValue), "--reporter-key-file",
          try folder.write("key", Array("\(key)\n".utf8)), "--no-heartbeats", "--json",
        ]
        let result = try await Command.withService(arguments) { oracle in
          let line = try await oracle.lines.next { $0.contains("\"oracle-admin\"") }
          let admin = try #require(JSON.parse(line)["url"]?.stringValue)
          #expect(try await fetch(admin + "/operations/monitoring", "POST").status == 200)
          #expect(try await fetch(admin + "/operations/claims", "POST").status == 200)
          let refused = try await fetch(admin + "/operations/heartbeats", "POST")
          #expect(refused.status == 404)
          // The chain has no contract for challenges: none is tried.
          let none = try await fetch(admin + "/operations/challenges", "POST").json
          #expect(none["outcomes"] == [])
          #expect(
            try refused.json["error"]
              == """
              the operation must be one of challenges, claims, contributions, distribution, \
              monitoring, registration
              """)
          try oracle.send(.terminate)
        }
        #expect(result.status == .exited(0), "\(result.errors)")
        try chain.send(.terminate)
      }
    }
  }

  @Test("Switches of operations need an oracle that has them")
  func needs() async throws {
    let chain = ["--chain-rpc", "http://127.0.0.1:1", "--reporter-key-file", "k"]
    for flag in ["--no-claims", "--challenges"] {
      try await Command.run(["oracle", flag] + chain).expectRefusal(flag, "--dialect deployed")
    }
    try await Command.run(["oracle", "--dialect", "deployed", "--report-blocks", "5"])
      .expectRefusal("--report-blocks", "--reporter-key-file")
  }
}
