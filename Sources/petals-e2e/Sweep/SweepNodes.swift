import Bloom
import PlumiseWire

/// Nodes of one model as processes, of which the first answers over HTTP for all.
struct SweepNodes: Sendable {
  let blocks: [BlockRange]

  /// How many blocks each has: `6/18`.
  var name: String { blocks.map { "\($0.count)" }.joined(separator: "/") }

  /// Runs a body while the nodes serve, and ends them.
  /// - Parameters:
  ///   - model: The model's folder.
  ///   - body: Gets the URL of the first node's HTTP interface.
  /// - Throws: `ChildFailure` for a node that does not start; what the body throws.
  func serving<R: Sendable>(
    model: String, _ body: @escaping @Sendable (String) async throws -> R
  ) async throws -> R {
    let processes = NetworkProcesses()
    let outcome: Result<R, any Error>
    do {
      let url = try await start(model, processes)
      outcome = .success(
        try await withThrowingTaskGroup(of: R.self) { group in
          group.addTask { try await body(url) }
          // A node that ends would leave the load to its failures.
          group.addTask { throw try await processes.firstFailure().commandFailure }
          defer { group.cancelAll() }
          guard let result = try await group.next() else { throw CancellationError() }
          return result
        })
    } catch {
      outcome = .failure(error)
    }
    await processes.stop(processes.all)
    return try outcome.get()
  }

  private func start(_ model: String, _ processes: NetworkProcesses) async throws -> String {
    func arguments(_ blocks: BlockRange) -> [String] {
      ["node", "--model", model, "--blocks", "\(blocks)", "--port", "0"]
    }
    let others = blocks.dropFirst().map { processes.start("node \($0)", arguments($0)) }
    let peers = try await withDeadline(.seconds(60), "a node does not answer") {
      try await others.concurrentMap {
        try await $0.url(of: .node).replacing("grpc://", with: "")
      }
    }
    let first = processes.start(
      "node \(blocks[0])",
      arguments(blocks[0]) + ["--http-port", "0"]
        + (peers.isEmpty ? [] : ["--peers", peers.joined(separator: ",")]))
    return try await withDeadline(.seconds(60), "the first node does not answer") {
      try await first.url(of: .nodeHTTP)
    }
  }
}
