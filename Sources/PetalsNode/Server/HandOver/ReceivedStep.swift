import Bloom
import PipelineRPC

/// A step of a session from the wire, whoever sent it.
struct ReceivedStep: Sendable {
  let message: Plumise_Petals_SessionStep
  /// `[tokens, hidden]`, every value finite.
  let hidden: HiddenStates
  /// Where its output goes beside the session's client; nil for nowhere.
  let next: NextNode?

  /// Checks a step that was sent to a model with this hidden size.
  ///
  /// - Throws: ``NodeError/Code/invalidArgument`` that says which part is wrong.
  init(_ message: Plumise_Petals_SessionStep, hidden size: Int) throws(NodeError) {
    self.message = message
    hidden = try HiddenStates(message.hiddenStates, field: "hidden_states", hidden: size)
    next = message.nextNodes.isEmpty ? nil : try NextNode(message.nextNodes[0])
  }

  /// The number that its client gave it.
  var id: UInt64 { message.stepID }

  /// Where the cache is rolled back to first; nil goes on at its end.
  var start: Int? { message.hasStartFromPosition ? Int(message.startFromPosition) : nil }
}
