package import MockServing
package import NetworkWatch
package import PetalsNode
import PlumiseWire

extension FaultNews {
  /// The news of a change.
  package init(_ change: FaultAdministration.Change) {
    switch change {
    case .ordered(let id, let order):
      self.init(.ordered, id: id.stringValue ?? id.text, order: order.text)
    case .takenBack(let id): self.init(.takenBack, id: id)
    // Named in full: `.cleared` alone would be the change, and this initialiser call itself for ever.
    case .cleared: self.init(FaultNews.Change.cleared)
    case .usedUp(let id): self.init(.usedUp, id: id)
    }
  }
}

extension SessionNews {
  /// What a node tells of a session.
  package init(_ activity: SessionActivity) {
    let state: State
    var (tokens, position, milliseconds): (Int?, Int?, Double?)
    switch activity.kind {
    case .opened: state = .opened
    case .step(let count, let end, let time):
      (state, tokens, position) = (.step, count, end)
      milliseconds = time / .milliseconds(1)
    case .finished(let generated): (state, tokens) = (.finished, generated)
    case .ended: state = .ended
    }
    self.init(
      activity.session, state, blocks: "\(activity.blocks)", tokens: tokens, position: position,
      reused: activity.reusedTokens > 0 ? activity.reusedTokens : nil, milliseconds: milliseconds,
      sessions: activity.cache.sessions,
      cacheBytes: activity.cache.usedBytes, cacheBudget: activity.cache.budgetBytes)
  }
}
