import Foundation
import PlumiseWire
import Subprocess
import TestSupport
import Testing

/// What services keep of what they were asked, seen from outside.
@Suite("Memory of services", .timeLimit(.minutes(5)))
struct ServiceMemoryTests {
  private static let long = String(repeating: "x", count: 16 << 10)

  /// A service, and a request of 16 KiB that it refuses.
  struct Refusing: Sendable, CustomTestStringConvertible {
    let arguments: [String]
    let path: String
    let body: JSON

    var testDescription: String { arguments[0] }
  }

  private static let services = [
    Refusing(
      arguments: ["chain"], path: "/",
      body: ["jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": [.string(long)]]),
    Refusing(
      arguments: ["gateway", "--oracle", "http://127.0.0.1:9"], path: "/v1/chat/completions",
      body: [
        "model": "none", "messages": [["role": "user", "content": .string(long)]],
      ]),
    Refusing(
      arguments: ["oracle"], path: "/api/v1/report", body: ["payload": ["agent": .string(long)]]),
  ]

  private static func ask(_ count: Int, _ url: String, _ body: [UInt8]) async throws {
    for _ in 0..<count {
      _ = try await fetch(url, "POST", body: body, contentType: "application/json")
    }
  }

  #if os(Linux)
    @Test("Thousands of long requests leave nothing behind", arguments: services)
    func requests(_ service: Refusing) async throws {
      let result = try await Command.withService(service.arguments + ["--port", "0", "--json"]) {
        process in
        let url = try await process.url() + service.path
        let body = service.body.serialized()
        try await Self.ask(200, url, body)
        let before = try Self.anonymousMebibytes(of: process.processID)
        try await Self.ask(2500, url, body)
        let after = try Self.anonymousMebibytes(of: process.processID)
        // All of them are 40 MiB.
        #expect(after - before < 12, "it grew from \(before) to \(after) MiB")
        try process.send(.terminate)
      }
      #expect(result.status == .exited(0), "\(result.errors)")
    }

    private static func anonymousMebibytes(of process: Int32) throws -> Double {
      let status = try String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8)
      let line = try #require(status.split(separator: "\n").first { $0.hasPrefix("RssAnon:") })
      return try #require(Double(line.split(separator: " ")[1])) / 1024
    }
  #endif

  @Test("The oracle's journal holds a thousand requests, or a MiB of them")
  func journal() async throws {
    let result = try await Command.withService(["oracle", "--port", "0", "--json"]) { oracle in
      let url = try await oracle.url()
      func gauge(_ name: String) async throws -> Int {
        let text = try await fetch(url + "/metrics").text
        let line = try #require(text.split(separator: "\n").first { $0.hasPrefix(name + " ") })
        return try #require(Int(line.dropFirst(name.count + 1)))
      }
      try await Self.ask(1100, url + "/none", Array("{}".utf8))
      #expect(try await gauge("oracle_journal_entries") == 1000)
      #expect(try await gauge("oracle_journal_recorded_total") > 1000)
      try await Self.ask(100, url + "/none", Array(Self.long.utf8))
      let bytes = try await gauge("oracle_journal_bytes")
      #expect((900_000...1 << 20).contains(bytes), "\(bytes) bytes")
      try oracle.send(.terminate)
    }
    #expect(result.status == .exited(0), "\(result.errors)")
  }
}
