import AsyncPrimitives
import Bloom
import GRPCCore
import PipelineRPC
import Synchronization

/// A session on a node at the other end of a stream.
///
/// One task holds the stream: it writes what is put into an outbox, and hands answers to a mailbox.
/// So a step can be given up while the stream lives on to carry the summary, and nothing is written
/// after the stream's end.
final class GRPCSession: BlockSession {
  typealias Request = Plumise_Petals_SessionRequest

  /// The end of the outbox: nothing more is to be sent.
  private struct End: Error {}

  /// Why the stream ended.
  private struct Ending: Sendable {
    let reason: NodeError
    /// Whether the node gives no sign of life.
    var isLost = false
  }

  private struct Handle: Sendable {
    var task: Task<Void, Never>?
    var lastStep: UInt64 = 0
    /// Requests that the node has not answered.
    var unanswered = 0
  }

  let peer: String
  private let connection: GRPCConnection
  private let stepLimit: Duration
  private let watch: Watchdog
  private let monitor: IdleMonitor?
  private let outbox = Mailbox<Request>(capacity: 4)
  private let mailbox = Mailbox<Plumise_Petals_SessionResponse.OneOf_Kind>(capacity: 4)
  private let handle = Mutex(Handle())

  init(
    peer: String, on connection: GRPCConnection, stepLimit: Duration, clock: any Clock<Duration>
  ) {
    self.peer = peer
    self.connection = connection
    self.stepLimit = stepLimit
    watch = Watchdog(limit: stepLimit, clock: clock)
    monitor = clock.monitor
  }

  /// Begins the stream, in a task that ends with the session or with its scope.
  ///
  /// - Parameter lost: Called when the node gives no sign of life though one is expected.
  func start(in calls: TaskScope, lost: @escaping @Sendable () -> Void) {
    let task = calls.spawn { await self.run(calls, lost) }
    handle.withLock { $0.task = task }
  }

  private func run(_ calls: TaskScope, _ lost: @escaping @Sendable () -> Void) async {
    connection.begin()
    defer { connection.end() }
    await withTaskGroup(of: Ending.self) { group in
      group.addTask { Ending(reason: await self.converse()) }
      group.addTask {
        await self.ending {
          try await self.watch.overdue()
          return Ending(
            reason: NodeError(
              .deadlineExceeded, "it did not answer a step within \(self.stepLimit)",
              peer: self.peer))
        }
      }
      group.addTask { [connection, watch] in
        await self.ending {
          try await connection.liveness.waitUntilLost(
            waiting: { watch.running },
            probe: { [peer = self.peer, monitor = self.monitor] in
              try await withRequest(nil, to: peer, monitoredBy: monitor) {
                try await calls.run { try await connection.probe() }
              }
            })
          return Ending(
            reason: NodeError(silent: self.peer, for: connection.liveness.limit), isLost: true)
        }
      }
      let first = await group.next()
      if let first { mailbox.close(first.reason) }
      outbox.close(End())
      group.cancelAll()
      // After the reason is told: this ends the stream as well.
      if first?.isLost == true { lost() }
    }
  }

  /// What a watch says; one that was cancelled was so by the session's own end.
  private func ending(_ wait: () async throws -> Ending) async -> Ending {
    do {
      return try await wait()
    } catch {
      return Ending(reason: NodeError(.cancelled, "the session was ended", peer: peer))
    }
  }

  private func converse() async -> NodeError {
    do {
      try await connection.service.session(options: .petals) { writer in
        do {
          while true { try await writer.write(try await self.outbox.next()) }
        } catch is End {
          // All is sent: the stream may be closed on this side.
        }
      } onResponse: { response in
        defer { self.outbox.close(End()) }
        for try await message in response.messages {
          self.connection.liveness.recordActivity()
          guard let kind = message.kind else { continue }
          self.handle.withLock { $0.unanswered -= 1 }
          guard self.mailbox.deliver(kind) else {
            throw NodeError(.internalFault, "it answers what it was not asked", peer: self.peer)
          }
        }
      }
      return NodeError(.unavailable, "the node ended the session", peer: peer)
    } catch {
      return NodeError(calling: peer, error)
    }
  }

  /// Asks for the session, and waits for the node's word.
  func open(_ opening: SessionOpening) async throws {
    var request = Request()
    request.open.sessionID = opening.id
    request.open.modelFingerprint = opening.fingerprint ?? ""
    if let blocks = opening.blocks { request.open.blocks = Plumise_Petals_BlockRange(blocks) }
    request.open.maximumLength = Int32(clamping: opening.maximumLength)
    try send(request)
    guard case .opened = try await mailbox.next() else { throw unexpected }
  }

  func step(_ hidden: HiddenStates, startFrom start: Int?) async throws -> StepResult {
    let id = handle.withLock { handle in
      handle.lastStep += 1
      return handle.lastStep
    }
    var request = Request()
    request.step.stepID = id
    request.step.hiddenStates = hidden.message()
    if let start { request.step.startFromPosition = Int32(clamping: start) }
    watch.begin()
    defer { watch.end() }
    return try await withRequest(nil, to: peer, monitoredBy: monitor) { [request] in
      try send(request)
      return try await result(of: id, for: hidden)
    }
  }

  /// Waits for the answer to a step.
  private func result(of id: UInt64, for hidden: HiddenStates) async throws -> StepResult {
    while true {
      guard case .step(let result) = try await mailbox.next() else { throw unexpected }
      // An earlier number answers a step that was given up.
      guard result.stepID == id else { continue }
      let output = try HiddenStates(
        answer: result.hiddenStates, field: "hidden_states", from: peer, like: hidden)
      return StepResult(
        hidden: output, position: Int(result.position),
        computeTime: Duration(wireNanoseconds: result.computeNanoseconds))
    }
  }

  func finish(_ summary: SessionSummary) async throws -> Int {
    var request = Request()
    request.finish = Plumise_Petals_SessionFinish(summary)
    watch.begin()
    defer { watch.end() }
    return try await withRequest(nil, to: peer, monitoredBy: monitor) { [request] in
      try send(request)
      return try await processedTokens()
    }
  }

  /// Waits for the answer to the summary.
  private func processedTokens() async throws -> Int {
    while true {
      switch try await mailbox.next() {
      case .finished(let finished):
        outbox.close(End())
        return Int(clamping: finished.processedTokens)
      case .step: continue  // The answer to a step that was given up.
      case .opened: throw unexpected
      }
    }
  }

  func cancel() {
    outbox.close(End())
    let (isAnswered, task) = handle.withLock { ($0.unanswered == 0, $0.task) }
    guard isAnswered else {
      task?.cancel()
      return
    }
    // Nothing is on its way: the node ends the stream when this side does. Cancelling would reset
    // it, and a server takes many resets for an attack. A node that does not end it is overdue.
    watch.begin()
  }

  /// Puts a request into the outbox; whether it could be sent is told with the answer.
  private func send(_ request: Request) throws {
    handle.withLock { $0.unanswered += 1 }
    guard outbox.deliver(request) else {
      throw NodeError(.internalFault, "it was sent more than it has answered", peer: peer)
    }
  }

  private var unexpected: NodeError {
    NodeError(.internalFault, "its answer does not fit the request", peer: peer)
  }
}
