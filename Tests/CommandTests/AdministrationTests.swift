import EthereumClient
import Foundation
import PlumiseWire
import Subprocess
import TestSupport
import Testing

@Suite("Orders of faults by --admin-port", .timeLimit(.minutes(5)))
struct AdministrationTests {
  private func adminURL(_ service: Service, _ name: String) async throws -> String {
    let line = try await service.lines.next { $0.contains("\"\(name)-admin\"") }
    return try #require(JSON.parse(line)["url"]?.stringValue) + "/admin/faults"
  }

  @Test("The chain takes orders on its second port, and on no other")
  func chain() async throws {
    let options = ["chain", "--port", "0", "--admin-port", "0", "--fault-seed", "7", "--json"]
    let result = try await Command.withService(options) { service in
      let (url, admin) = (try await service.url(), try await adminURL(service, "chain"))
      let order: JSON = ["fault": "error", "code": -5, "message": "busy"]
      #expect(try await fetch(admin, json: order).status == 201)
      #expect(try await fetch(admin).json["faults"]?[0]?["message"] == "busy")
      let answers = [
        try await fetchRPC(url, "eth_chainId").json, try await fetchRPC(url, "eth_chainId").json,
      ]
      #expect(answers[0]["error"]?["code"] == -5 && answers[1]["error"] == nil)
      let wrong = try await fetch(admin, json: ["fault": "none"])
      #expect(wrong.status == 400)
      #expect(try wrong.json["error"] == "unknown fault \"none\"")
      try service.send(.terminate)
    }
    #expect(result.status == .exited(0), "\(result.errors)")
  }

  @Test("A gateway takes orders as the oracle does")
  func gateway() async throws {
    // No oracle is there: a gateway without nodes has faults all the same.
    let options = [
      "gateway", "--oracle", "http://127.0.0.1:9", "--port", "0", "--admin-port", "0", "--json",
    ]
    let result = try await Command.withService(options) { service in
      let (url, admin) = (try await service.url(), try await adminURL(service, "gateway"))
      let order: JSON = ["fault": "status", "status": 418, "route": "/health"]
      #expect(try await fetch(admin, json: order).status == 201)
      #expect(try await fetch(url + "/health").status == 418)
      #expect(try await fetch(url + "/health").status != 418)
      #expect(try await fetch(admin).json["met"] == 1)
      try service.send(.terminate)
    }
    #expect(result.status == .exited(0), "\(result.errors)")
  }

  @Test("A node needs its HTTP API for it")
  func node() async throws {
    try await Command.run("node", "--model", "m", "--blocks", "0-1", "--admin-port", "0")
      .expectRefusal("--http-port")
  }

  @Test("The ways to the nodes of up are broken and repaired from outside")
  func up() async throws {
    let options = ["up", "--model", "tiny", "--ports", "auto", "--admin-port", "0", "--json"]
    let result = try await Command.withService(options) { service in
      let network = try await service.event("up")
      let peers = try #require(network["nodes"]?.arrayValue).compactMap { $0["peer"]?.stringValue }
      let admin = try #require(network["admin"]?.stringValue) + "/admin/faults"
      let generate = [
        "generate", "--model", try #require(network["model"]?.stringValue), "--token-ids", "5,6",
        "--max-new-tokens", "2", "--peers", peers.joined(separator: ","), "--json",
      ]
      #expect(try await Command.run(generate).status == .exited(0))
      let order: JSON = ["link": "node-2", "fault": "reset", "count": 0]
      let added = try await fetch(admin, json: order)
      #expect(try added.json["id"] == "node-2:1")
      let listed = try #require(try await fetch(admin).json["faults"]?.arrayValue)
      #expect(listed.count == 1 && listed[0]["link"] == "node-2" && listed[0]["fault"] == "reset")
      #expect(try await Command.run(generate).status == .exited(1))
      #expect(try await fetch(admin + "/node-2:1", "DELETE").status == 200)
      let repaired = try await Command.run(generate)
      #expect(repaired.status == .exited(0), "\(repaired.errors)")
      let wrong = try await fetch(admin, json: ["link": "node-9", "fault": "reset"])
      #expect(try wrong.json["error"] == "link must be one of node-1, node-2")
      for name in ["chain_admin", "oracle_admin"] {
        let url = try #require(network[name]?.stringValue)
        #expect(try await fetch(url + "/admin/faults").json["faults"] == [])
      }
      try service.send(.terminate)
    }
    #expect(result.status == .exited(0), "\(result.errors)")
  }
}
