import AsyncPrimitives
import Bloom
import PipelineRPC
import Synchronization

/// What one session takes from other nodes, and hands on to them.
final class SessionHandOver: Sendable {
  private struct State: Sendable {
    var session: ServedSession?
    var token: DeliveryToken?
    /// The greatest number of a step that came, whoever sent it.
    var newest: UInt64 = 0
    /// The greatest of those that its client sent.
    var overtaken: UInt64 = 0
    var link: DeliveryLink?
    var isOver = false
  }

  private let node: HandOver
  /// One step at a time: the client's own, or one that was handed on.
  private let turn = AsyncLock()
  /// A client has one step under way, and one that it gave up.
  private let delivered = Mailbox<(ReceivedStep, ServedSession)>(capacity: 2)
  private let refusals = Mailbox<Plumise_Petals_SessionNotHandedOn>(capacity: 4)
  private let state = Mutex(State())

  init(node: HandOver) { self.node = node }

  // MARK: - Steps from other nodes

  /// Takes steps for a session from whoever has its token.
  ///
  /// - Throws: ``NodeError/Code/invalidArgument`` when another session has the token.
  func open(_ session: ServedSession, with token: DeliveryToken) throws(NodeError) {
    try node.add(self, with: token)
    state.withLock { state in
      state.session = session
      state.token = token
    }
  }

  /// Takes a step from another node, to be computed in its turn.
  ///
  /// - Throws: ``NodeError``; the session goes on as if nothing had come.
  func deliver(_ step: ReceivedStep) throws(NodeError) {
    try state.withLock { state throws(NodeError) in
      guard let session = state.session, !state.isOver else {
        throw NodeError(.failedPrecondition, "the session is over")
      }
      guard step.id > state.newest else {
        throw NodeError(
          .failedPrecondition,
          "step \(step.id) of session \(session.id): it has \(state.newest) already, and takes each "
            + "step once, in their order")
      }
      try session.check(step.hidden, startFrom: step.start)
      guard delivered.deliver((step, session)) else {
        throw NodeError(
          .resourceExhausted, "session \(session.id) has steps enough that wait to be computed")
      }
      state.newest = step.id
    }
    node.count { $0.taken += 1 }
  }

  /// The next step that another node delivered, and the session that it is for.
  ///
  /// - Throws: `CancellationError`.
  func next() async throws -> (ReceivedStep, ServedSession) { try await delivered.next() }

  /// Whether a step is still to be computed: nothing newer came from the session's client.
  func isWanted(_ step: ReceivedStep) -> Bool {
    state.withLock { !$0.isOver && $0.overtaken < step.id }
  }

  /// Notes a step from the session's client, which does without what was delivered before.
  func overtake(with step: ReceivedStep) {
    state.withLock { state in
      state.newest = max(state.newest, step.id)
      state.overtaken = max(state.overtaken, step.id)
    }
  }

  /// Runs a step, or the session's end, when those that came before are done.
  func inTurn<Result>(_ work: () async throws -> Result) async throws -> Result {
    try await turn.withLock { try await work() }
  }

  // MARK: - Steps to other nodes

  /// Makes the way that a step's output will take, while the step is computed.
  func prepare(_ step: ReceivedStep) {
    guard let next = step.next else { return }
    let old: DeliveryLink? = state.withLock { state in
      guard state.link?.next != next, !state.isOver else { return nil }
      defer {
        state.link = node.link(to: next) { [weak self] step, reason in
          self?.refuse(step, reason)
        }
      }
      return state.link
    }
    old?.close()
  }

  /// Hands the output of a step on to the next node.
  ///
  /// - Parameters:
  ///   - output: As the client gets it.
  ///   - position: Tokens in the cache before the step.
  /// - Returns: Whether it is on its way; otherwise the client has to send it.
  func handOn(_ output: Plumise_Petals_Tensor, of step: ReceivedStep, at position: Int) -> Bool {
    guard let next = step.next else { return false }
    var delivered = Plumise_Petals_SessionStep()
    delivered.stepID = step.id
    delivered.hiddenStates = output
    // Always: the next node may have computed a step that nobody waited for.
    delivered.startFromPosition = Int32(clamping: position)
    delivered.nextNodes = Array(step.message.nextNodes.dropFirst())
    var delivery = Plumise_Petals_Delivery()
    delivery.token = .init(next.token.bytes)
    delivery.step = delivered
    let link = state.withLock { $0.link }
    if let link, link.next == next, link.send(delivery) { return true }
    node.count { $0.notHandedOn += 1 }
    return false
  }

  /// The next step that could not be handed on, though it was on its way.
  ///
  /// - Throws: `CancellationError`.
  func nextRefusal() async throws -> Plumise_Petals_SessionNotHandedOn {
    try await refusals.next()
  }

  private func refuse(_ step: UInt64, _ reason: String) {
    node.count { $0.notHandedOn += 1 }
    var refusal = Plumise_Petals_SessionNotHandedOn()
    refusal.stepID = step
    refusal.reason = reason
    // A client that reads none of them is told of the first ones.
    _ = refusals.deliver(refusal)
  }

  /// Takes and hands on nothing more; a second time does nothing.
  func end() {
    let (token, link) = state.withLock { state in
      state.isOver = true
      defer { state.link = nil }
      return (state.token, state.link)
    }
    if let token { node.remove(token) }
    link?.close()
  }
}
