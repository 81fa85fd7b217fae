import MockServing
import NetworkWatch
import PlumiseTesting

/// Prints what a service does for the process that watches it, one line an event.
///
/// The service never waits for the reader: lines are written by a task of their own, in their order.
final class Observation: Sendable {
  private let events: AsyncStream<WatchedEvent>.Continuation
  private let writing: Task<Void, Never>?

  /// - Parameter isOn: Whether anybody watches; nothing is printed otherwise.
  init(isOn: Bool) {
    let (stream, events) = AsyncStream.makeStream(of: WatchedEvent.self)
    self.events = events
    writing =
      isOn
      ? Task {
        for await event in stream {
          StandardStream.output.write(line: ObservedLine.text(of: event))
        }
      } : nil
    if !isOn { events.finish() }
  }

  /// Whether anybody watches.
  var isOn: Bool { writing != nil }

  /// Has an event printed; the one that watches knows which part it is about.
  func record(_ kind: @autoclosure () -> WatchedKind) {
    if isOn { events.yield(WatchedEvent("", kind())) }
  }

  /// Has a change of a service's faults printed.
  func record(_ change: FaultAdministration.Change) { record(.fault(FaultNews(change))) }

  /// Waits until all that was recorded is printed.
  func finish() async {
    events.finish()
    await writing?.value
  }
}

extension AgentAct {
  /// What a node tells of its agent; nil for what is not about the agent.
  init?(_ event: ServiceEvent) {
    switch event {
    // Where a node of a swarm is, its swarm says.
    case .listening, .placed, .moving: return nil
    case .registered(let agent, let transaction):
      self.init(
        .registered, agent: agent, transaction: transaction,
        detail: transaction == nil ? "it was before" : nil)
    case .heartbeat(let transaction): self.init(.heartbeat, transaction: transaction)
    case .verified(let proof, let tokens, let transaction):
      self.init(.proved, transaction: transaction, tokens: Int(tokens), detail: proof)
    case .reported(let tokens, let isLast):
      self.init(.reported, tokens: Int(tokens), detail: isLast ? "for the last time" : nil)
    case .assigned(let blocks, let count):
      self.init(.assigned, detail: "blocks \(blocks) of \(count)")
    case .topology: self.init(.topology, detail: event.text)
    case .trouble(let message): self.init(.trouble, detail: message)
    }
  }
}
