import AsyncPrimitives
import Bloom
import Logging
import Synchronization

// How the hidden states of a generation get through the nodes, though some of them fail.
//
// A node that fails is replaced by whoever else serves its blocks, and the new one is told all that
// the old one was told. Nodes after it keep their caches: they have seen what the old one said.

extension GenerationRun {
  /// Hidden states of the next tokens through all nodes.
  ///
  /// - Parameter start: The position to which the nodes' caches are rolled back first; nil goes on at their
  ///   ends.
  /// - Throws: ``NodeError`` where another node would say the same; ``RouteError`` when nobody
  ///   serves a range any more; `CancellationError`.
  func pass(_ input: HiddenStates, from start: Int? = nil) async throws -> HiddenStates {
    if let start {
      for index in links.indices { links[index].log?.truncate(to: start) }
    }
    if links.isEmpty {
      links = try await openLinks(0..<client.model.identity.blockCount, isFirst: true)
    }
    var hidden = input
    var index = 0
    // Nodes before this one are sent everything from the first token on.
    var replayEnd = 0
    // What the node before is handing on to the one at `index`; nil sends it from here.
    var handed: UInt64?
    var start = start
    while index < links.count {
      let isReplay = index < replayEnd
      do {
        let next = isReplay ? [] : links.successors(of: index)
        // Whatever becomes of what is handed on, a node may have it when it is sent this once more.
        if !next.isEmpty { start = start ?? position(of: input) }
        let answer = try await send(
          hidden, to: index, startFrom: isReplay ? 0 : start, handed: handed, through: next)
        handed = next.isEmpty ? nil : answer.handedOn
        hidden = answer.hidden
        index += 1
        if isReplay, index == replayEnd {
          hidden = hidden.slice(hidden.tokens - input.tokens..<hidden.tokens)
        }
      } catch {
        handed = nil
        try exclude(links[index].hop.peer, error)
        links[index].session.cancel()
        let first = links.nearestReplayable(index)
        let whole = try await wholeInput(
          of: first, failed: index, pending: hidden, isReplay: isReplay)
        let others = try await openLinks(
          links[index].hop.blocks.indices, isFirst: index == 0)
        links.replaceSubrange(index...index, with: others)
        replayEnd = max(replayEnd - 1, index) + others.count
        hidden = whole
        index = isReplay ? index : first
      }
    }
    return hidden
  }

  /// All that the node at `first` has to see, so that the one at `failed` can be told everything.
  private func wholeInput(
    of first: Int, failed: Int, pending: HiddenStates, isReplay: Bool
  ) async throws -> HiddenStates {
    if isReplay { return pending }
    if first == 0 {
      return try await client.model.embedOnPool(
        request.promptIDs + generated + proposals.map(\.id))
    }
    guard let log = links[first].log else {
      throw NodeError(.internalFault, "what a node was sent is not at hand")
    }
    // A node before the failed one has seen the newest tokens already.
    return try log.replay(appending: first == failed ? pending : nil)
  }

  /// The position of a pass' first token in the nodes' caches.
  private func position(of input: HiddenStates) -> Int {
    request.promptIDs.count + generated.count + proposals.count - input.tokens
  }

  /// Sends a step to a node, or waits for what the node before hands on to it.
  ///
  /// - Parameters:
  ///   - start: Where its cache is rolled back to first; nil goes on at its end.
  ///   - handed: The step that the node before is handing on; nil where it is not.
  ///   - next: The sessions that its output may be handed on to, one after another.
  private func send(
    _ hidden: HiddenStates, to index: Int, startFrom start: Int?, handed: UInt64?,
    through next: [GRPCSession]
  ) async throws -> StepResult {
    let began = time.elapsed
    if let handed, let link = links[index].handing, let previous = links[index - 1].handing,
      case .answered(let answer) = try await link.delivered(handed, like: hidden, from: previous)
    {
      record(answer, of: hidden, from: index, since: began, wasSent: false, startFrom: start)
      return answer
    }
    // Not the link as a whole: a second reference to its log would copy all of it at each token.
    let (session, handing) = (links[index].session, links[index].handing)
    let sent = time.elapsed
    let answer: StepResult
    if let handing, !next.isEmpty {
      answer = try await handing.step(hidden, startFrom: start, handingOnTo: next)
    } else {
      answer = try await session.step(hidden, startFrom: start)
    }
    record(answer, of: hidden, from: index, since: sent, wasSent: true, startFrom: start)
    return answer
  }

  /// Notes what a node answered, and what it had got.
  ///
  /// - Parameter wasSent: Whether it got it from here; otherwise from the node before.
  private func record(
    _ answer: StepResult, of hidden: HiddenStates, from index: Int, since began: Duration,
    wasSent: Bool, startFrom start: Int?
  ) {
    let (hop, elapsed) = (links[index].hop, time.elapsed - began)
    if request.isTraced {
      hops.append(
        TokenTrace.Hop(
          peer: hop.peer, blocks: hop.blocks, elapsed: elapsed, computeTime: answer.computeTime))
    }
    if hidden.tokens == 1 {
      let directory = client.directory
      if wasSent {
        directory.recordStep(
          hop.peer, elapsed: elapsed, answer: answer.computeTime, blocks: hop.blocks.count)
      } else {
        directory.recordWork(hop.peer, answer.computeTime, blocks: hop.blocks.count)
      }
    }
    links[index].log?.add(hidden, from: start)
  }

  /// Opens sessions with nodes that together serve a range, on whichever way is possible.
  private func openLinks(_ range: Range<Int>, isFirst: Bool) async throws -> [SessionLink] {
    // The token made last is never an input.
    let length = request.promptIDs.count + request.maxNewTokens - 1
    while true {
      let route = try await client.route(range, length: length, excluding: excluded)
      let opened = try await client.openSessions(on: route, maximumLength: length)
      var links: [SessionLink] = []
      for (hop, result) in zip(route.hops, opened) {
        if case .success(let session) = result {
          let needsLog = !(isFirst && links.isEmpty)
          links.append(
            SessionLink(
              hop: hop, session: session,
              handing: (session as? GRPCSession).flatMap { $0.handsOn ? $0 : nil },
              log: needsLog ? client.makeLog(tokens: length) : nil))
        }
      }
      if links.count == route.hops.count { return links }
      for link in links { link.session.cancel() }
      for (hop, result) in zip(route.hops, opened) {
        if case .failure(let error) = result { try exclude(hop.peer, error) }
      }
    }
  }

  /// Does without a peer for the rest of this generation, or throws what no other peer can help.
  ///
  /// A full node is not at fault, nor is one whose caches cannot hold what these tokens come to: both may serve
  /// other generations. Any other is left alone.
  private func exclude(_ peer: String, _ error: any Error) throws {
    try Task.checkCancellation()
    guard let error = error as? NodeError, error.code != .invalidArgument else { throw error }
    excluded[peer] = error
    if error.code != .resourceExhausted, error.code != .outOfRange {
      client.directory.ban(peer, error)
    }
    client.logger.notice("a node is replaced", metadata: ["error": "\(error)"])
  }
}

/// A generation's session on one node of its way.
struct SessionLink: Sendable {
  let hop: Route.Hop
  let session: any BlockSession
  /// The session, where its node hands steps on.
  let handing: GRPCSession?
  /// Nil for the first node, whose input the client can make again, and where there is no room.
  var log: ReplayLog?
}

extension [SessionLink] {
  /// The way that these sessions make.
  var route: Route { Route(hops: map(\.hop)) }

  /// The sessions behind a node that its output can be handed on to, one after another.
  func successors(of index: Int) -> [GRPCSession] {
    if self[index].handing == nil { return [] }
    return self[(index + 1)...].map(\.handing).prefix { $0?.place != nil }.compactMap(\.self)
  }

  /// The nearest node, at `index` or before it, whose whole input is at hand: the first one's
  /// always is.
  func nearestReplayable(_ index: Int) -> Int {
    var nearest = index
    while nearest > 0, self[nearest].log == nil { nearest -= 1 }
    return nearest
  }
}

/// A memory budget for the replay logs of all of a client's generations.
final class ReplayBudget: Sendable {
  private let limit: Int
  private let used = Mutex(0)

  /// Accounts for `limit` bytes.
  init(limit: Int) { self.limit = limit }

  /// Bytes held now.
  var heldBytes: Int { used.withLock { $0 } }

  /// Holds memory for as long as the result lives; nil when there is not enough left.
  func hold(_ bytes: Int) -> Hold? {
    let fits = used.withLock { used in
      guard bytes <= limit - used else { return false }
      used += bytes
      return true
    }
    return fits ? Hold(bytes: bytes, budget: self) : nil
  }

  /// Memory that is given back when nobody refers to it.
  final class Hold: Sendable {
    private let bytes: Int
    private let budget: ReplayBudget

    fileprivate init(bytes: Int, budget: ReplayBudget) {
      self.bytes = bytes
      self.budget = budget
    }

    deinit { budget.used.withLock { $0 -= bytes } }
  }
}

/// What a node was sent in a session, to be sent again to the one that takes its place.
struct ReplayLog: Sendable {
  private let hold: ReplayBudget.Hold
  private let hidden: Int
  /// Row-major `[tokens, hidden]`.
  private var values: [Float] = []

  /// A log with room for `tokens`, which is accounted for from the start; nil where there is none.
  init?(tokens: Int, hidden: Int, budget: ReplayBudget) {
    let count = tokens.multipliedReportingOverflow(by: hidden * MemoryLayout<Float>.stride)
    guard !count.overflow, let hold = budget.hold(count.partialValue) else { return nil }
    self.hold = hold
    self.hidden = hidden
    values.reserveCapacity(tokens * hidden)
  }

  /// Adds what was sent.
  ///
  /// - Parameter start: The position from which it replaces what was sent before; nil for the end.
  mutating func add(_ sent: HiddenStates, from start: Int?) {
    if let start { truncate(to: start) }
    values.append(contentsOf: sent.values)
  }

  /// Forgets what was sent from a position on.
  mutating func truncate(to position: Int) {
    let count = position * hidden
    if count < values.count { values.removeLast(values.count - count) }
  }

  /// All that was sent, followed by `next`.
  func replay(appending next: HiddenStates?) throws -> HiddenStates {
    let all = values + (next?.values ?? [])
    return try HiddenStates(tokens: all.count / hidden, hidden: hidden, values: all)
  }
}
