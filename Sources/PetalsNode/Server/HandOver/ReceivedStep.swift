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
  /// - Parameter handsOn: Whether its output may go to the next node; otherwise that is not looked at.
  /// - Throws: ``NodeError/Code/invalidArgument`` that says which part is wrong.
  init(
    _ message: Plumise_Petals_SessionStep, hidden size: Int, handsOn: Bool
  ) throws(NodeError) {
    self.message = message
    hidden = try HiddenStates(message.hiddenStates, field: "hidden_states", hidden: size)
    // All of them: the next node would refuse what is wrong with one behind it, and the link would end.
    var places: [NextNode] = []
    if handsOn { for place in message.nextNodes { places.append(try NextNode(place)) } }
    next = places.first
  }

  /// The number that its client gave it.
  var id: UInt64 { message.stepID }

  /// Where the cache is rolled back to first; nil goes on at its end.
  var start: Int? { message.hasStartFromPosition ? Int(message.startFromPosition) : nil }
}
