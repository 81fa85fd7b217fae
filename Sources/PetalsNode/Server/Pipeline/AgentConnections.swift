import AsyncPrimitives
import GRPCCore
import GRPCNIOTransportHTTP2
import PipelineRPC
import Synchronization

/// A node's connections to other agents of its pipeline; each is made at its first call.
///
/// Whoever makes them ends them with ``end()``.
final class AgentConnections: Sendable {
  private typealias Client = GRPCClient<HTTP2ClientTransport.Posix>

  /// One connection, and the task that keeps it.
  private struct Connection: Sendable {
    let client: Client
    let running: Task<Void, Never>

    /// Takes no more calls, and ends at once.
    func close() {
      client.beginGracefulShutdown()
      running.cancel()
    }
  }

  private struct State: Sendable {
    var connections: [PeerAddress: Connection] = [:]
    var isEnded = false
  }

  private let clock: any Clock<Duration>
  private let thread = EventLoopExecutor.next()
  private let calls: TaskScope
  // Apart from the calls: a call that is cancelled must not take a connection from others.
  private let keepers: TaskScope
  private let state = Mutex(State())

  init(clock: any Clock<Duration>) {
    self.clock = clock
    calls = TaskScope(on: thread)
    keepers = TaskScope(on: thread)
  }

  /// Has another agent compute, and returns its answer as it came.
  ///
  /// - Parameters:
  ///   - endpoint: As the topology gives it.
  ///   - limit: How long the call may take, the connection included.
  /// - Throws: ``NodeError`` that names the agent; `CancellationError`.
  func forwardPass(
    _ request: Plumise_Inference_ForwardRequest, at endpoint: String, within limit: Duration
  ) async throws -> Plumise_Inference_ForwardResponse {
    let address: PeerAddress
    do {
      address = try PeerAddress(agentEndpoint: endpoint)
    } catch {
      throw NodeError(.unavailable, "its endpoint in the topology: \(error)", peer: endpoint)
    }
    let connection = try connection(to: address)
    let service = Plumise_Inference_InferencePipeline.Client(wrapping: connection.client)
    let late = NodeError(
      .deadlineExceeded, "it did not answer within \(limit)", peer: address.description)
    do {
      return try await withDeadline(limit, on: clock, orThrow: late) { [calls] in
        // Within the scope: a call that is cancelled before it has a connection ends late.
        try await calls.run { try await service.forwardPass(request, options: .petals) }
      }
    } catch {
      try Task.checkCancellation()
      let error = NodeError(calling: address.description, error)
      // It may lead to nobody any more: the next call makes another one.
      if [.deadlineExceeded, .unavailable].contains(error.code) { forget(connection, of: address) }
      throw error
    }
  }

  /// Ends every call and every connection; nothing runs when this returns.
  func end() async {
    calls.cancel()
    let connections = state.withLock { state in
      state.isEnded = true
      defer { state.connections = [:] }
      return Array(state.connections.values)
    }
    // This also ends a call that waits for a connection.
    for connection in connections { connection.client.beginGracefulShutdown() }
    await calls.wait()
    keepers.cancel()
    await keepers.wait()
  }

  private func connection(to address: PeerAddress) throws -> Connection {
    try state.withLock { state in
      if let connection = state.connections[address] { return connection }
      guard !state.isEnded else { throw BlockServer.stopping }
      let client = try Client(transport: .petals(to: address, on: thread))
      let running = keepers.spawn {
        do {
          try await client.runConnections()
        } catch {
          // It was ended before this began, or its calls have been told what is wrong.
        }
      }
      let connection = Connection(client: client, running: running)
      state.connections[address] = connection
      return connection
    }
  }

  /// Other calls on it see their end too, by their own limits at the latest.
  private func forget(_ connection: Connection, of address: PeerAddress) {
    state.withLock { state in
      if state.connections[address]?.client === connection.client {
        state.connections[address] = nil
      }
    }
    connection.close()
  }
}
