import AsyncPrimitives
import Synchronization

/// What went straight from one node to the next, on a node's side of it.
public struct HandOverUsage: Hashable, Sendable {
  /// Steps that other nodes delivered and that a session has taken.
  public var taken = 0
  /// Steps that the next node has acknowledged.
  public var handedOn = 0
  /// Steps that were to be handed on and that their clients had to send.
  public var notHandedOn = 0

  /// Nothing was handed on or taken.
  public init() {}
}

/// A node's part in handing steps on: its sessions that take steps from other nodes, and its connections to
/// those that its own steps go to.
///
/// Whoever makes it ends it with ``end()``.
final class HandOver: Sendable {
  /// Where the node's connections live, those of its clients as well: a step on its way changes no thread.
  let thread = EventLoopExecutor.next()
  private let limit: Duration
  private let clock: any Clock<Duration>
  private let links: TaskScope
  private let connections: DeliveryConnections
  private let sessions = Mutex<[DeliveryToken: SessionHandOver]>([:])
  private let counts = Mutex(HandOverUsage())

  /// - Parameter limit: How long another node may take to acknowledge a step.
  init(limit: Duration, silence: Duration, clock: any Clock<Duration>) {
    self.limit = limit
    self.clock = clock
    links = TaskScope(on: thread)
    connections = DeliveryConnections(silence: silence, clock: clock, thread: thread)
  }

  /// What was handed on, and what was taken.
  var usage: HandOverUsage { counts.withLock { $0 } }

  /// Counts a step.
  func count(_ change: (inout HandOverUsage) -> Void) { counts.withLock { change(&$0) } }

  /// Begins to take steps for a session.
  ///
  /// - Throws: ``NodeError/Code/invalidArgument`` when another session has the token.
  func add(_ session: SessionHandOver, with token: DeliveryToken) throws(NodeError) {
    let isNew = sessions.withLock { sessions in
      guard sessions[token] == nil else { return false }
      sessions[token] = session
      return true
    }
    guard isNew else {
      throw NodeError(.invalidArgument, "accept_token: another session has it: send random bytes")
    }
  }

  /// Takes no more steps with a token.
  func remove(_ token: DeliveryToken) { sessions.withLock { $0[token] = nil } }

  /// The session that takes steps with a token.
  ///
  /// - Throws: ``NodeError/Code/failedPrecondition`` when none does.
  func session(with token: DeliveryToken) throws(NodeError) -> SessionHandOver {
    guard let session = sessions.withLock({ $0[token] }) else {
      throw NodeError(.failedPrecondition, "no session here takes steps with this token")
    }
    return session
  }

  /// A link to a session on another node, whose connection is being made if there is none.
  func link(to next: NextNode, refused: @escaping DeliveryLink.Refused) -> DeliveryLink {
    let link = DeliveryLink(
      next: next, limit: limit, clock: clock,
      acknowledged: { self.count { $0.handedOn += 1 } }, refused: refused)
    link.start(in: links, over: connections)
    return link
  }

  /// Ends every link and every connection; nothing runs when this returns.
  func end() async {
    links.cancel()
    // This also ends a call that waits for a connection.
    connections.close()
    await links.wait()
    await connections.end()
  }
}
