import AsyncHTTPClient
import EthereumPrimitives
import Foundation
import MockServing
import NIOCore
import PlumiseWire
import Subprocess
import Testing

/// An agent that reports to an oracle that may be gone at any moment.
private actor CrashAgent {
  let key = SecretKey.random()
  private var timestamp: Int64 = 1_770_000_000
  private(set) var acknowledged: [(timestamp: Int64, body: [UInt8])] = []

  /// Reports until no answer comes.
  func report(to url: String, noting taken: Journal<Int64>) async {
    while true {
      timestamp += 1
      do {
        let body = try body()
        guard try await Self.post(body, to: url) == 200 else { return }
        acknowledged.append((timestamp, body))
        taken.record(timestamp)
      } catch {
        // The oracle was killed: what was on its way counts for nothing.
        return
      }
    }
  }

  private func body() throws -> [UInt8] {
    let proof = InferenceProof(
      model: "m", input: "\(timestamp)", output: "o", agent: key.address, tokenCount: 1)
    return try DocumentedReport.Payload(
      agent: key.address, processedTokens: timestamp % 1_000_000, averageLatencyMilliseconds: 1,
      uptimeSeconds: 1, tasksCompleted: 1, timestamp: timestamp, proofs: [proof]
    ).signed(with: key).body.serialized()
  }

  static func post(_ body: [UInt8], to url: String) async throws -> Int {
    var request = HTTPClientRequest(url: url + DocumentedReport.path)
    request.method = .POST
    request.body = .bytes(ByteBuffer(bytes: body))
    let response = try await HTTPClient.shared.execute(request, timeout: .seconds(30))
    _ = try await response.body.collect(upTo: 1 << 16)
    return Int(response.status.code)
  }

  static func get(_ url: String) async throws -> JSON {
    let response = try await HTTPClient.shared.execute(
      HTTPClientRequest(url: url), timeout: .seconds(30))
    return try JSON.parse(try await response.body.collect(upTo: 1 << 24).readableBytesView)
  }
}

@Suite("Oracle crashes", .timeLimit(.minutes(5)))
struct OracleCrashTests {
  @Test("An oracle that is killed under load has every acknowledged report and takes no replay")
  func killed() async throws {
    let folder = URL.temporaryDirectory.appending(path: "crash-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    let command = [
      "oracle", "--port", "0", "--json", "--store", folder.appending(path: "o.sqlite").path,
    ]
    let agents = (0..<4).map { _ in CrashAgent() }
    for life in 0..<4 {
      let taken = Journal<Int64>()
      _ = try await Command.withService(command) { service in
        let url = try await service.url()
        try await check(agents, at: url)
        try await withThrowingTaskGroup(of: Void.self) { group in
          for agent in agents { group.addTask { await agent.report(to: url, noting: taken) } }
          try await taken.wait(forCount: 10 + 17 * life)
          try service.send(.kill)
          try await group.waitForAll()
        }
      }
    }
    _ = try await Command.withService(command) { service in
      try await check(agents, at: try await service.url())
      try service.send(.terminate)
    }
    try FileManager.default.removeItem(at: folder)
  }

  private func check(_ agents: [CrashAgent], at url: String) async throws {
    for agent in agents {
      let acknowledged = await agent.acknowledged
      guard let last = acknowledged.last else { continue }
      let held = try await CrashAgent.get(
        url + "/api/v1/agents/\(agent.key.address)/reports")
      let kept = Set(
        held["reports"]?.arrayValue?.compactMap { $0["timestamp"]?.integerValue } ?? [])
      #expect(acknowledged.allSatisfy { kept.contains($0.timestamp) })
      #expect(try await CrashAgent.post(last.body, to: url) == 409)
      #expect(try await CrashAgent.post(acknowledged[0].body, to: url) == 409)
    }
  }
}
