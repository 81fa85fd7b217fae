import AsyncPrimitives
import GRPCCore
import PipelineRPC
import Synchronization

/// The way of one session's steps to the session on the next node: a stream that lasts as long as both.
///
/// Once a step was refused, or not acknowledged in time, nothing more goes this way: the session's client sends
/// the steps itself.
final class DeliveryLink: Sendable {
  /// Is told of a step that the next node did not acknowledge, and why.
  typealias Refused = @Sendable (_ step: UInt64, _ reason: String) -> Void

  /// The end of the outbox: nothing more is to be sent.
  private struct End: Error {}

  /// Why the link ends.
  private enum Ending: Sendable {
    /// Nothing more was to be sent.
    case closed
    /// The next node takes no more, and says why.
    case refused(String)
    /// The next node cannot be reached, or does not acknowledge what it is sent.
    case lost(String)
  }

  /// How much longer than the limit so many bytes may take: a second for each whole MiB.
  private static func allowance(for bytes: Int) -> Duration { .seconds(bytes >> 20) }

  private struct State: Sendable {
    var task: Task<Void, Never>?
    /// The newest step, while it is not acknowledged.
    ///
    /// Earlier ones no longer matter: a client sends the next step when it has done without them.
    var pending: UInt64?
    var isOver = false
  }

  let next: NextNode
  private let limit: Duration
  private let watch: Watchdog
  private let acknowledged: @Sendable () -> Void
  private let refused: Refused
  private let outbox = Mailbox<Plumise_Petals_Delivery>(capacity: 4)
  private let state = Mutex(State())

  init(
    next: NextNode, limit: Duration, clock: any Clock<Duration>,
    acknowledged: @escaping @Sendable () -> Void, refused: @escaping Refused
  ) {
    self.next = next
    self.limit = limit
    self.acknowledged = acknowledged
    self.refused = refused
    watch = Watchdog(limit: limit, clock: clock)
  }

  /// Begins the stream, in a task that ends with the link or with its scope.
  func start(in scope: TaskScope, over connections: DeliveryConnections) {
    let task = scope.spawn { await self.run(over: connections) }
    state.withLock { $0.task = task }
  }

  /// Sends a step, without waiting for anything.
  ///
  /// - Returns: Whether it is on its way: then it is acknowledged, or `refused` hears of it.
  func send(_ delivery: Plumise_Petals_Delivery) -> Bool {
    state.withLock { state in
      // Where there is no room the next node has yet to acknowledge earlier ones: their time goes on.
      guard !state.isOver, outbox.deliver(delivery) else { return false }
      state.pending = delivery.step.stepID
      watch.begin(allowing: Self.allowance(for: delivery.step.hiddenStates.data.count))
      return true
    }
  }

  /// Ends the link: its session is over, or goes on to another node.
  func close() {
    let (isAcknowledged, task) = state.withLock { state in
      state.isOver = true
      defer { state.pending = nil }
      return (state.pending == nil, state.task)
    }
    outbox.close(End())
    if isAcknowledged {
      // The next node ends the stream when this side does; resetting it would look like an attack.
      watch.begin()
    } else {
      task?.cancel()
    }
  }

  private func run(over connections: DeliveryConnections) async {
    let connection: GRPCConnection
    do {
      connection = try connections.connection(to: next.address)
    } catch {
      return end("peer \(next.address): \(Self.unreachable)")
    }
    await withTaskGroup(of: Ending.self) { group in
      group.addTask { await self.converse(over: connection) }
      group.addTask { [watch, limit] in
        do {
          try await watch.overdue()
          return .lost(
            "it did not acknowledge a step within \(limit), and a second for each MiB of it")
        } catch {
          // The stream ended first.
          return .closed
        }
      }
      var isLost = false
      switch await group.next() {
      case .refused(let reason): end("peer \(next.address): \(reason)")
      case .lost(let reason):
        isLost = true
        end("peer \(next.address): \(reason)")
      case .closed, nil: end("the link to the next node is closed")
      }
      // Before what waits for a connection is waited for: that may need the connection's end.
      connections.release(connection, to: next.address, isLost: isLost)
      group.cancelAll()
    }
  }

  private func converse(over connection: GRPCConnection) async -> Ending {
    do {
      try await connection.service.deliver(options: .petals) { writer in
        do {
          while true { try await writer.write(try await self.outbox.next()) }
        } catch is End {
          // All is sent: the stream may be closed on this side.
        }
      } onResponse: { response in
        defer { self.outbox.close(End()) }
        for try await message in response.messages { self.noteAcknowledged(message.stepID) }
      }
      return state.withLock { $0.isOver } ? .closed : .refused("it takes no more steps")
    } catch let error as RPCError where error.code != .unavailable || error.cause == nil {
      return .refused("\(error.message) (\(NodeError.Code(rawValue: error.code.rawValue)))")
    } catch {
      return .lost(Self.unreachable)
    }
  }

  /// What its client is told of whatever keeps a node from another one.
  ///
  /// No more: the client may not reach that place itself, and is not to learn what is there.
  private static let unreachable = "it cannot be reached, or is no node"

  private func noteAcknowledged(_ step: UInt64) {
    state.withLock { state in
      guard state.pending == step else { return }
      state.pending = nil
      watch.end()
    }
    acknowledged()
  }

  private func end(_ reason: String) {
    let pending = state.withLock { state in
      state.isOver = true
      defer { state.pending = nil }
      return state.pending
    }
    outbox.close(End())
    if let pending { refused(pending, reason) }
  }
}
