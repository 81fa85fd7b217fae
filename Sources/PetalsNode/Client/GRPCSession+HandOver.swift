import AsyncPrimitives
import Bloom
import PipelineRPC
import Synchronization

// Steps that go from one node straight to the next: their client gets every node's answer, and sends the first
// node alone.

/// Numbers of steps, ascending over all sessions of a client.
///
/// A step keeps its number on every node that it is handed on to, and each of them takes ascending numbers alone.
final class StepNumbers: Sendable {
  private let last = Atomic<UInt64>(0)

  /// A number above all that were given.
  func next() -> UInt64 { last.wrappingAdd(1, ordering: .relaxed).newValue }
}

/// What became of a step that the node before was asked to hand on.
enum DeliveredStep: Sendable {
  case answered(StepResult)
  /// It was refused, or not acknowledged in time, or the node before has failed: its client has to send it, and
  /// with a position, since the node may have it all the same.
  case notHandedOn
}

extension GRPCSession {
  /// Waits for the answer to a step that the node before is handing on.
  ///
  /// - Parameters:
  ///   - id: The step's number.
  ///   - hidden: What the node before answered, which is what this one gets.
  ///   - previous: The session on that node.
  /// - Throws: As ``BlockSession/step(_:startFrom:)``; what ails the node before is no error of this one.
  func delivered(
    _ id: UInt64, like hidden: HiddenStates, from previous: GRPCSession
  ) async throws -> DeliveredStep {
    expectAnswer(to: id)
    watch.begin()
    // A node that stands still after it has answered tells nobody that it hands on nothing.
    previous.handing.begin()
    defer {
      watch.end()
      previous.handing.end()
    }
    return try await withRequest(nil, to: peer, monitoredBy: monitor) {
      while true {
        switch try await mailbox.next() {
        case .step(let result) where result.stepID == id:
          return .answered(try answer(result, to: hidden))
        case .notHandedOn(let refusal) where refusal.stepID == id:
          expectNoAnswer(to: id)
          return .notHandedOn
        case .step, .notHandedOn: continue  // Of a step that was given up.
        case .opened, .finished: throw unexpected
        }
      }
    }
  }
}
