import AsyncPrimitives
import Synchronization

/// A node's connections to those that it hands steps on to: one for each address, shared by all sessions, for as
/// long as one of them uses it.
final class DeliveryConnections: Sendable {
  private struct State: Sendable {
    var connections: [PeerAddress: GRPCConnection] = [:]
    var isEnded = false
  }

  private let silence: Duration
  private let clock: any Clock<Duration>
  private let thread: EventLoopExecutor
  private let keepers: TaskScope
  private let state = Mutex(State())

  init(silence: Duration, clock: any Clock<Duration>, thread: EventLoopExecutor) {
    self.silence = silence
    self.clock = clock
    self.thread = thread
    keepers = TaskScope(on: thread)
  }

  /// The connection to an address, which the caller gives back with ``release(_:to:isLost:)``.
  ///
  /// - Throws: ``NodeError/Code/unavailable`` once the node stops; what gRPC throws for an address that it
  ///   cannot use.
  func connection(to address: PeerAddress) throws -> GRPCConnection {
    try state.withLock { state in
      guard !state.isEnded else { throw BlockServer.stopping }
      let connection =
        try state.connections[address]
        ?? GRPCConnection(to: address, silence: silence, clock: clock, on: thread, in: keepers)
      state.connections[address] = connection
      connection.begin()
      return connection
    }
  }

  /// Gives a connection back; it ends with the last that used it.
  ///
  /// - Parameter isLost: Whether it may lead to nobody any more: who comes next makes another one.
  func release(_ connection: GRPCConnection, to address: PeerAddress, isLost: Bool) {
    let isUnused = state.withLock { state in
      connection.end()
      let isUnused = !connection.isUsed
      if isLost || isUnused, state.connections[address] === connection {
        state.connections[address] = nil
      }
      return isUnused
    }
    if isUnused { connection.cancel() }
  }

  /// Takes no more calls, and ends those that wait for a connection.
  func close() {
    let open = state.withLock { state in
      state.isEnded = true
      return Array(state.connections.values)
    }
    for connection in open { connection.close() }
  }

  /// Ends every connection; nothing runs when this returns.
  func end() async {
    close()
    keepers.cancel()
    await keepers.wait()
  }
}
