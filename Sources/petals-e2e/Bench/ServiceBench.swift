import Foundation
import PlumiseWire

/// The chain and the oracle as processes of their own: how soon they answer, and what they hold in
/// memory.
struct ServiceBench: Sendable {
  private static let requests = 100_000
  private static let rounds = 5

  let runs: Int

  func rows() async throws -> [BenchRow] {
    try await rows(of: .oracle) { host, port in
      let reports = try ReportRequests.make(
        Self.requests / Self.rounds, host: host, port: port)
      return RequestLoad(requests: reports) { $0.status == 200 }
    }
      + rows(of: .chain) { host, port in
        let request = RequestLoad.post(
          Array(#"{"jsonrpc":"2.0","id":1,"method":"eth_blockNumber","params":[]}"#.utf8),
          to: "/", host: host, port: port)
        let own = Array(
          repeating: request,
          count: Self.requests / Self.rounds / ReportRequests.connections)
        return RequestLoad(
          requests: Array(repeating: own, count: ReportRequests.connections)
        ) { $0.status == 200 }
      }
  }

  private func rows(
    of service: ServiceEvent.Service, _ load: (String, Int) throws -> RequestLoad
  ) async throws -> [BenchRow] {
    let processes = NetworkProcesses()
    do {
      var starts: [Double] = []
      for _ in 0..<runs {
        let began = ContinuousClock.now
        let child = processes.start(service.rawValue, [service.rawValue, "--port", "0"])
        _ = try await child.url(of: service)
        starts.append((ContinuousClock.now - began) / .milliseconds(1))
        await processes.stop([child])
      }
      var rows = [row(service, "process start until it listens", "ms", starts)]
      let child = processes.start(service.rawValue, [service.rawValue, "--port", "0"])
      rows += try await memory(of: child, service, load)
      await processes.stop(processes.all)
      return rows
    } catch {
      await processes.stop(processes.all)
      throw error
    }
  }

  private func memory(
    of child: ServiceProcess, _ service: ServiceEvent.Service,
    _ load: (String, Int) throws -> RequestLoad
  ) async throws -> [BenchRow] {
    guard let url = URL(string: try await child.url(of: service)), let host = url.host(),
      let port = url.port, let process = child.processID
    else { return [] }
    var rows: [BenchRow] = []
    func note(_ when: String) {
      // Only Linux says what a process holds.
      guard let held = Machine.residentMebibytes(of: process) else { return }
      rows.append(row(service, "memory \(when)", "MiB", [held]))
    }
    note("before any request")
    for round in 1...Self.rounds {
      _ = try await load(host, port).run(host: host, port: port)
      if [1, Self.rounds].contains(round) {
        note("after \(round * Self.requests / Self.rounds) requests")
      }
    }
    return rows
  }

  private func row(
    _ service: ServiceEvent.Service, _ name: String, _ unit: String, _ values: [Double]
  ) -> BenchRow {
    BenchRow("services", "\(service.rawValue): \(name)", unit, values)
  }
}
