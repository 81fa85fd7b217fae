import Foundation
import PlumiseWire
import Subprocess
import TestSupport
import Testing

/// The stream of events of a network, without a browser.
@Suite("Events of a network", .timeLimit(.minutes(5)))
struct EventsTests {
  @Test("A watched run says where its page is, and has events by then")
  func watched() async throws {
    try await withTemporaryFolder { folder in
      let path = folder.file("events.jsonl")
      let result = try await Command.run([
        "run", "--model", "tiny", "--ports", "auto", "--max-new-tokens", "4", "--json", "--watch",
        "--events", path, "--report", folder.path,
      ])
      // The helper ends a command that says that it listens.
      #expect(result.output.contains(#""service":"page""#))
      let events = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n")
        .map { try JSON.parse(String($0)) }
      #expect(!events.isEmpty)
    }
  }

  @Test(
    "The file of events has everything that happened in a run, from its first process to its last")
  func whole() async throws {
    try await withTemporaryFolder { folder in
      let path = folder.file("events.jsonl")
      let result = try await Command.run([
        "run", "--model", "tiny", "--ports", "auto", "--max-new-tokens", "4", "--json",
        "--events", path, "--report", folder.path,
      ])
      #expect(result.status == .exited(0), "\(result.errors)")
      let events = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n")
        .map { try JSON.parse(String($0)) }
      #expect(events.compactMap { $0["number"]?.integerValue } == Array(1...Int64(events.count)))
      func bodies(_ kind: String, of part: String? = nil) -> [JSON] {
        events.filter {
          $0["kind"]?.stringValue == kind && (part == nil || $0["part"]?.stringValue == part)
        }
        .compactMap { $0[kind] }
      }
      for part in ["chain", "oracle", "node-1", "node-2"] {
        let states = bodies("life", of: part).compactMap { $0["state"]?.stringValue }
        #expect(states == ["started", "listening", "stopped"], "\(part)")
      }
      let steps = try #require(try result.json()["steps"]?.arrayValue)
      #expect(bodies("check").map { $0["title"] } == steps.map { $0["step"] })
      let calls = bodies("block").flatMap { $0["transactions"]?.arrayValue ?? [] }
        .compactMap { $0["call"]?.stringValue }
      #expect(Set(calls).isSuperset(of: ["transfer", "registration", "heartbeat", "proof"]))
      #expect(bodies("request").contains { $0["outcome"] == "accepted" && $0["tokens"] == 4 })
      for part in ["node-1", "node-2"] {
        let sessions = bodies("session", of: part)
        #expect(sessions.first?["state"] == "opened" && sessions.last?["state"] == "ended")
        #expect(Set(sessions.compactMap { $0["session"]?.stringValue }).count >= 1)
        #expect(sessions.contains { $0["state"] == "finished" && $0["tokens"] == 4 })
        let acts = Set(bodies("agent", of: part).compactMap { $0["act"]?.stringValue })
        #expect(acts.isSuperset(of: ["registered", "heartbeat", "proved", "reported"]))
      }
      let names = ["node-1", "node-2"].map { part in
        Set(bodies("session", of: part).compactMap { $0["session"]?.stringValue })
      }
      #expect(names[0] == names[1], "a session has one name on all nodes")
    }
  }

  @Test("What is ordered over HTTP is done, told, and told to who comes late")
  func orders() async throws {
    try await withTemporaryFolder { folder in
      let path = folder.file("events.jsonl")
      let result = try await Command.withService(PageTests.up + ["--events", path]) { service in
        try await checkOrders(service)
        try service.send(.terminate)
      }
      #expect(result.status == .exited(0), "\(result.errors)")
      let events = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n")
        .map { try JSON.parse(String($0)) }
      let lives = events.filter { $0["part"] == "node-1" }
        .compactMap { $0["life"]?["state"]?.stringValue }
      #expect(lives == ["started", "listening", "killed", "started", "listening", "stopped"])
      let changes = events.compactMap { $0["fault"]?["change"]?.stringValue }
      #expect(changes == ["ordered", "taken-back"])
    }
  }

  private func checkOrders(_ service: Service) async throws {
    let line = try await service.lines.next { $0.contains(#""service":"page""#) }
    let url = try #require(try JSON.parse(line)["url"]?.stringValue)
    _ = try await service.event("up")
    func order(_ path: String, _ body: JSON) async throws -> FetchedAnswer {
      try await fetch(
        "\(url)/orders/\(path)", "POST", body: body.serialized(), contentType: "application/json")
    }
    #expect(try await order("nodes/node-1", ["action": "start"]).status == 409)
    #expect(try await order("nodes/node-1", ["action": "kill"]).status == 200)
    #expect(try await order("nodes/node-1", ["action": "kill"]).status == 409)
    #expect(try await order("nodes/node-1", ["action": "start"]).status == 200)
    #expect(try await order("nodes/node-9", ["action": "start"]).status == 400)
    // Of a method that nobody calls, so that it is there until it is taken back.
    let fault: JSON = ["fault": "error", "code": -5, "message": "busy", "method": "eth_syncing"]
    let added = try await order("faults/chain", fault)
    #expect(added.status == 200)
    #expect(try await fetch("\(url)/faults").json["chain"]?[0]?["message"] == "busy")
    let id = try #require(try added.json["id"]?.integerValue)
    #expect(try await fetch("\(url)/orders/faults/chain/\(id)", "DELETE").status == 200)
    #expect(try await fetch("\(url)/faults").json["chain"] == [])
    #expect(try await order("faults/chain", ["fault": "none"]).status == 400)
    #expect(try await order("faults/nobody", ["fault": "none"]).status == 400)
  }

  @Test("Line breaks of Unicode, and blocks of hundreds of transactions, end no watching")
  func strangeLines() async throws {
    try await withTemporaryFolder { folder in
      let path = folder.file("events.jsonl")
      let result = try await Command.withService(PageTests.up + ["--events", path]) { service in
        let line = try await service.lines.next { $0.contains(#""service":"page""#) }
        let url = try #require(try JSON.parse(line)["url"]?.stringValue)
        let chain = try #require(try await service.event("up")["chain"]?.stringValue)
        let fault: JSON = [
          "fault": "error", "code": -5, "message": "a\u{2028}b\u{85}c", "method": "eth_syncing",
        ]
        let added = try await fetch(
          "\(url)/orders/faults/chain", "POST", body: fault.serialized(),
          contentType: "application/json")
        #expect(added.status == 200, "\(added.text)")
        let accounts = try await fetchRPC(chain, "eth_accounts").json["result"]
        _ = try await fetchRPC(chain, "evm_setAutomine", [false])
        for _ in 0..<600 {
          let transfer: JSON = [
            "from": accounts?[1] ?? .null, "to": accounts?[2] ?? .null, "value": "0x1",
          ]
          let answer = try await fetchRPC(chain, "eth_sendTransaction", [transfer]).json
          #expect(answer["result"] != nil, "\(answer.text)")
        }
        _ = try await fetchRPC(chain, "evm_mine")
        let id = try #require(try added.json["id"]?.integerValue)
        #expect(try await fetch("\(url)/orders/faults/chain/\(id)", "DELETE").status == 200)
        try service.send(.terminate)
      }
      #expect(result.status == .exited(0), "\(result.errors)")
      let text = try String(contentsOfFile: path, encoding: .utf8)
      let events = try text.utf8.split(separator: UInt8(ascii: "\n"))
        .map { try JSON.parse(Array($0)) }.filter { $0["part"] == "chain" }
      let faults = events.compactMap { $0["fault"] }
      #expect(faults.compactMap { $0["change"]?.stringValue } == ["ordered", "taken-back"])
      #expect(faults.first?["order"]?.stringValue?.contains("a\u{2028}b\u{85}c") == true)
      let blocks = events.compactMap { $0["block"]?["transactions"]?.arrayValue?.count }
      #expect(blocks.contains { $0 >= 600 }, "\(blocks)")
      #expect(events.last?["life"]?["state"] == "stopped")
    }
  }

  @Test("A file of events that cannot be written is refused before anything starts")
  func unwritable() async throws {
    try await Command.run(
      "up", "--model", "tiny", "--ports", "auto", "--events", "/nowhere/events.jsonl"
    ).expectRefusal("/nowhere/events.jsonl")
  }
}
