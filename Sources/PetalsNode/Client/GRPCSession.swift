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

  /// What the node has to answer.
  private enum Awaited: Hashable, Sendable {
    case opening
    case step(UInt64)
    case end
  }

  private struct Handle: Sendable {
    var task: Task<Void, Never>?
    /// What the node has not answered.
    var unanswered: Set<Awaited> = []
    /// The newest step that the node was asked to hand on, and the session on the next node.
    var handed: (id: UInt64, next: GRPCSession)?
  }

  let peer: String
  /// Where other nodes deliver steps to; nil where they do not.
  let place: NextNode?
  /// Whether the node hands steps on.
  let handsOn: Bool
  private let connection: GRPCConnection
  private let stepLimit: Duration
  private let numbers: StepNumbers
  let watch: Watchdog
  /// Runs while the next node is to answer what this one hands on.
  let handing: Watchdog
  let monitor: IdleMonitor?
  private let outbox = Mailbox<Request>(capacity: 4)
  /// Holds the answers to steps that were given up as well, until the next one is waited for.
  let mailbox = Mailbox<Plumise_Petals_SessionResponse.OneOf_Kind>(capacity: 8)
  private let handle = Mutex(Handle())

  init(
    peer: String, at place: NextNode?, handsOn: Bool, on connection: GRPCConnection,
    stepLimit: Duration, numbers: StepNumbers, clock: any Clock<Duration>
  ) {
    self.peer = peer
    self.place = place
    self.handsOn = handsOn
    self.connection = connection
    self.stepLimit = stepLimit
    self.numbers = numbers
    watch = Watchdog(limit: stepLimit, clock: clock)
    handing = Watchdog(limit: stepLimit, clock: clock)
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
      group.addTask { [connection, watch, handing] in
        await self.ending {
          try await connection.liveness.waitUntilLost(
            waiting: { watch.running ?? handing.running },
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
      if let first {
        mailbox.close(first.reason)
        notHandedOn(because: first.reason.message)
      }
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
          if case .notHandedOn(let refusal) = kind {
            self.notHandedOn(refusal.stepID, because: refusal.reason)
            continue
          }
          self.noteAnswered(kind)
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
    if let place { request.open.acceptToken = .init(place.token.bytes) }
    try send(request, awaiting: .opening)
    guard case .opened = try await mailbox.next() else { throw unexpected }
  }

  func step(_ hidden: HiddenStates, startFrom start: Int?) async throws -> StepResult {
    try await step(hidden, startFrom: start, handingOnTo: [])
  }

  /// A step whose output the node may hand on, and the next ones theirs.
  ///
  /// - Parameter next: The sessions behind this one, each with a place, in their order.
  func step(
    _ hidden: HiddenStates, startFrom start: Int?, handingOnTo next: [GRPCSession]
  ) async throws -> StepResult {
    let id = numbers.next()
    var request = Request()
    request.step.stepID = id
    request.step.hiddenStates = hidden.message()
    if let start { request.step.startFromPosition = Int32(clamping: start) }
    if !next.isEmpty {
      request.step.nextNodes = next.compactMap { $0.place?.message }
      for (session, next) in zip([self] + next, next) {
        session.handle.withLock { $0.handed = (id, next) }
      }
    }
    watch.begin()
    defer { watch.end() }
    return try await withRequest(nil, to: peer, monitoredBy: monitor) { [request] in
      try send(request, awaiting: .step(id))
      return try await result(of: id, for: hidden)
    }
  }

  /// Waits for the answer to a step.
  private func result(of id: UInt64, for hidden: HiddenStates) async throws -> StepResult {
    while true {
      let message = try await mailbox.next()
      if case .notHandedOn = message { continue }
      guard case .step(let result) = message else { throw unexpected }
      // An earlier number answers a step that was given up.
      guard result.stepID == id else { continue }
      return try answer(result, to: hidden)
    }
  }

  /// Checks the answer to a step.
  func answer(
    _ result: Plumise_Petals_SessionStepResult, to hidden: HiddenStates
  ) throws(NodeError) -> StepResult {
    let output = try HiddenStates(
      answer: result.hiddenStates, field: "hidden_states", from: peer, like: hidden)
    var step = StepResult(
      hidden: output, position: Int(result.position),
      computeTime: Duration(wireNanoseconds: result.computeNanoseconds))
    if result.handedOn { step.handedOn = result.stepID }
    return step
  }

  /// Tells the session on the next node that a step does not come from here.
  ///
  /// - Parameter id: Nil for whichever was asked for.
  private func notHandedOn(_ id: UInt64? = nil, because reason: String) {
    let handed = handle.withLock { handle -> (id: UInt64, next: GRPCSession)? in
      guard let handed = handle.handed, handed.id == id ?? handed.id else { return nil }
      handle.handed = nil
      return handed
    }
    guard let handed else { return }
    var refusal = Plumise_Petals_SessionNotHandedOn()
    refusal.stepID = handed.id
    refusal.reason = reason
    _ = handed.next.mailbox.deliver(.notHandedOn(refusal))
  }

  /// The node has a step to answer that was not sent from here.
  func expectAnswer(to id: UInt64) {
    handle.withLock { handle in _ = handle.unanswered.insert(.step(id)) }
  }

  /// The step did not come: nothing is to be answered.
  ///
  /// Should the node have it and answer all the same, that changes nothing.
  func expectNoAnswer(to id: UInt64) {
    handle.withLock { handle in _ = handle.unanswered.remove(.step(id)) }
  }

  private func noteAnswered(_ kind: Plumise_Petals_SessionResponse.OneOf_Kind) {
    let answered: Awaited
    switch kind {
    case .opened: answered = .opening
    case .step(let result): answered = .step(result.stepID)
    case .finished: answered = .end
    case .notHandedOn: return
    }
    handle.withLock { handle in _ = handle.unanswered.remove(answered) }
  }

  func finish(_ summary: SessionSummary) async throws -> Int {
    var request = Request()
    request.finish = Plumise_Petals_SessionFinish(summary)
    watch.begin()
    defer { watch.end() }
    return try await withRequest(nil, to: peer, monitoredBy: monitor) { [request] in
      try send(request, awaiting: .end)
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
      case .step, .notHandedOn: continue  // Of a step that was given up.
      case .opened: throw unexpected
      }
    }
  }

  func cancel() {
    outbox.close(End())
    let (isAnswered, task) = handle.withLock { ($0.unanswered.isEmpty, $0.task) }
    guard isAnswered else {
      task?.cancel()
      return
    }
    // Nothing is on its way: the node ends the stream when this side does. Cancelling would reset
    // it, and a server takes many resets for an attack. A node that does not end it is overdue.
    watch.begin()
  }

  /// Puts a request into the outbox; whether it could be sent is told with the answer.
  private func send(_ request: Request, awaiting answer: Awaited) throws {
    handle.withLock { handle in _ = handle.unanswered.insert(answer) }
    guard outbox.deliver(request) else {
      throw NodeError(.internalFault, "it was sent more than it has answered", peer: peer)
    }
  }

  var unexpected: NodeError {
    NodeError(.internalFault, "its answer does not fit the request", peer: peer)
  }
}
