import AsyncPrimitives
import Bloom
import Synchronization

/// The state of a client's peers, and the routes that follow from it.
final class PeerDirectory: Sendable {
  let model: Route.ModelIdentity
  private let policy: RecoveryPolicy
  private let time: Stopwatch
  private let records: Mutex<[PeerRecord]>
  /// Finds peers that were not named; nil where all are.
  private let discovery: PeerDiscovery?

  /// Peers in the order in which they were named; of two with one name, the first stays.
  init(
    _ transports: [any BlockTransport], discovery: PeerDiscovery? = nil,
    model: Route.ModelIdentity, policy: RecoveryPolicy, time: Stopwatch
  ) {
    self.model = model
    self.discovery = discovery
    self.policy = policy
    self.time = time
    var names: Set<String> = []
    let distinct = transports.filter { names.insert($0.peer).inserted }
    records = Mutex(distinct.map(PeerRecord.init))
  }

  /// Asks the peers of which nothing is known what they serve, those under a ban aside, and those that
  /// are said to serve other blocks than they said.
  ///
  /// A peer that does not answer is remembered as one that cannot be asked for anything.
  /// - Throws: ``RouteError/noPeers``; ``RouteError`` for a peer of another model, which was named
  ///   by mistake; `CancellationError`.
  func refresh() async throws {
    if let discovery { add(try await discovery()) }
    let now = time.elapsed
    let unknown = try records.withLock { records throws(RouteError) in
      if records.isEmpty { throw .noPeers }
      return records.filter { !$0.isCurrent && !$0.isBanned(at: now) }.map(\.transport)
    }
    try await refresh(unknown, again: false)
    // The first answer's time includes the connection's making. Where there is a choice, the way
    // itself has to be known.
    try await refresh(overlapping(unknown), again: true)
  }

  /// Adds peers that are not known by their names.
  private func add(_ transports: [any BlockTransport]) {
    records.withLock { records in
      for transport in transports where !records.contains(where: { $0.peer == transport.peer }) {
        records.append(PeerRecord(transport))
      }
    }
  }

  private func refresh(_ transports: [any BlockTransport], again: Bool) async throws {
    let answers = await withTaskGroup(of: (String, Result<PeerInfo, any Error>, Duration).self) {
      group in
      for transport in transports {
        group.addTask { [time] in
          let began = time.elapsed
          do {
            let info = try await transport.info()
            return (transport.peer, .success(info), time.elapsed - began)
          } catch {
            return (transport.peer, .failure(error), .zero)
          }
        }
      }
      return await group.reduce(into: []) { $0.append($1) }
    }
    try Task.checkCancellation()
    for (peer, answer, elapsed) in answers {
      switch answer {
      case .success(let info):
        try model.check(info, of: peer)
        change(peer) { $0.recordInfo(info, roundTrip: again ? elapsed : nil) }
      case .failure(let error):
        let now = time.elapsed
        let reason = error as? NodeError ?? NodeError(.internalFault, "\(error)", peer: peer)
        change(peer) { [policy] in $0.recordInfoFailure(reason, at: now, policy) }
      }
    }
  }

  /// The peers whose blocks another peer serves too.
  private func overlapping(_ transports: [any BlockTransport]) -> [any BlockTransport] {
    let infos = records.withLock { records in records.compactMap { $0.candidate() } }
    return transports.filter { transport in
      guard let own = infos.first(where: { $0.peer == transport.peer }) else { return false }
      return infos.contains {
        $0.peer != own.peer && $0.blocks.indices.overlaps(own.blocks.indices)
      }
    }
  }

  /// The fastest known route through blocks.
  ///
  /// - Parameters:
  ///   - range: The blocks.
  ///   - length: Tokens that each node has to take.
  ///   - excluded: Peers that are out of question, and why.
  /// - Throws: ``RouteError/gap(missing:total:peers:)`` and
  ///   ``RouteError/unserved(missing:total:peers:)``.
  func route(
    _ range: Range<Int>, length: Int, excluding excluded: [String: NodeError] = [:]
  ) throws(RouteError) -> Route {
    let now = time.elapsed
    let records = records.withLock { $0 }
    var candidates: [RouteSearch.Candidate] = []
    var away = false
    let descriptions = records.map { record -> String in
      let candidate = record.candidate()
      let name = record.peer + (candidate.map { " (\($0.blocks))" } ?? "")
      var reason: String?
      if let error = excluded[record.peer] {
        reason = error.message
      } else if let until = record.bannedUntil, record.isBanned(at: now) {
        reason = "\(record.failureReason ?? "it failed"); it is left alone for \(until - now)"
      } else if let candidate, candidate.maximumLength < length {
        reason = "it takes \(candidate.maximumLength) tokens, not \(length)"
      } else if let candidate {
        candidates.append(candidate)
      } else {
        reason = record.failureReason ?? "it was not asked yet"
      }
      if let reason {
        away = true
        return "\(name): \(reason)"
      }
      return name
    }
    let search = RouteSearch(candidates)
    if let hops = search.quickest(range) { return Route(hops: hops) }
    let missing = search.firstGap(in: range) ?? range
    throw away
      ? .unserved(missing: missing, total: model.blockCount, peers: descriptions)
      : .gap(missing: missing, total: model.blockCount, peers: descriptions)
  }

  /// Most tokens for which there is a way through all blocks.
  var maximumLength: Int {
    let lengths = Set(records.withLock { $0.compactMap { $0.info?.maximumLength } })
    for length in lengths.sorted(by: >) {
      if (try? route(0..<model.blockCount, length: length)) != nil { return length }
    }
    return lengths.max() ?? 0
  }

  /// The transport to a peer.
  func transport(to peer: String) throws(NodeError) -> any BlockTransport {
    guard let record = records.withLock({ $0.first { $0.peer == peer } }) else {
      throw NodeError(.internalFault, "no peer of this client", peer: peer)
    }
    return record.transport
  }

  /// Bans a peer that failed during a request.
  func ban(_ peer: String, _ error: NodeError) {
    let now = time.elapsed
    change(peer) { [policy] in $0.recordFailure(error.message, at: now, policy) }
  }

  /// Resets the failure counts of peers that completed a generation.
  func recordSuccess(of peers: [String]) {
    for peer in peers { change(peer) { $0.recordSuccess() } }
  }

  /// Whether a peer said that it hands steps on.
  func handsOn(_ peer: String) -> Bool {
    records.withLock { $0.first { $0.peer == peer }?.info?.handsOn ?? false }
  }

  /// Records a peer's own time for a one-token step, whose way there was not its client's.
  func recordWork(_ peer: String, _ work: Duration, blocks: Int) {
    change(peer) { $0.recordWork(work, blocks: blocks) }
  }

  /// Records the time of a one-token step.
  func recordStep(_ peer: String, elapsed: Duration, answer: Duration, blocks: Int) {
    change(peer) { $0.recordStep(elapsed: elapsed, answer: answer, blocks: blocks) }
  }

  /// The latency estimate of a peer.
  func times(of peer: String) -> PeerLatency? {
    records.withLock { $0.first { $0.peer == peer }?.times }
  }

  private func change(_ peer: String, _ change: (inout PeerRecord) -> Void) {
    records.withLock { records in
      guard let index = records.firstIndex(where: { $0.peer == peer }) else { return }
      change(&records[index])
    }
  }
}

/// Finds the ways to peers that may serve a model, each time that a client looks for some.
package typealias PeerDiscovery = @Sendable () async throws -> [any BlockTransport]

/// What a client knows of one peer.
struct PeerRecord: Sendable {
  let transport: any BlockTransport
  /// What it serves; nil while it is not known, or no longer certain.
  private(set) var info: PeerInfo?
  private(set) var times = PeerLatency()
  /// Failures in a row.
  private(set) var failures = 0
  /// On the client's watch.
  private(set) var bannedUntil: Duration?
  /// Why it is not asked for anything now.
  private(set) var failureReason: String?

  init(_ transport: any BlockTransport) { self.transport = transport }

  var peer: String { transport.peer }

  func isBanned(at now: Duration) -> Bool { bannedUntil.map { now < $0 } ?? false }

  /// Whether what it serves is known, and nothing else is said of it.
  var isCurrent: Bool {
    guard let info else { return false }
    return transport.announcedBlocks.map { $0 == info.blocks.indices } ?? true
  }

  /// Records a peer's answer to an info request.
  mutating func recordInfo(_ info: PeerInfo, roundTrip: Duration?) {
    self.info = info.isReady ? info : nil
    failureReason = info.isReady ? nil : "it is not ready: it loads or stops"
    times.seed(roundTrip: roundTrip, blockStep: info.blockStep)
  }

  /// Records a failed info request.
  ///
  /// One that refuses a connection costs nothing and may be starting: it is asked again by whoever
  /// needs it. One that says nothing costs the whole limit, and is left alone for a while.
  mutating func recordInfoFailure(_ error: NodeError, at now: Duration, _ policy: RecoveryPolicy) {
    if error.code == .deadlineExceeded { return recordFailure(error.message, at: now, policy) }
    info = nil
    failureReason = error.message
  }

  /// Records a failure during a request, and bans the peer.
  ///
  /// What it serves is asked for again before it is trusted again: it may have been restarted.
  mutating func recordFailure(_ reason: String, at now: Duration, _ policy: RecoveryPolicy) {
    failures += 1
    bannedUntil = now + policy.ban(after: failures)
    failureReason = reason
    info = nil
  }

  /// Resets the failure count.
  mutating func recordSuccess() { failures = 0 }

  mutating func recordStep(elapsed: Duration, answer: Duration, blocks: Int) {
    times.recordStep(elapsed: elapsed, answer: answer, blocks: blocks)
  }

  mutating func recordWork(_ work: Duration, blocks: Int) {
    times.recordWork(work, blocks: blocks)
  }

  func candidate() -> RouteSearch.Candidate? {
    info.map {
      RouteSearch.Candidate(
        peer: peer, blocks: $0.blocks, maximumLength: $0.maximumLength, times: times)
    }
  }
}

/// A moving average of a peer's latency, which starts from what the peer announced.
package struct PeerLatency: Hashable, Sendable {
  /// How much a new measurement weighs: one in eight.
  private static let weight = 8

  /// From a question to its answer, the node's work aside; nil before it was measured.
  package private(set) var roundTrip: Duration?
  /// One token in one block; nil before anyone measured it.
  package private(set) var blockStep: Duration?

  /// Nothing is known, or what is given.
  package init(roundTrip: Duration? = nil, blockStep: Duration? = nil) {
    self.roundTrip = roundTrip
    self.blockStep = blockStep
  }

  /// What a token would take through so many blocks, there and back.
  ///
  /// What is not known counts as nothing: a peer has to be tried before it can be judged.
  package func cost(blocks: Int) -> Duration {
    (roundTrip ?? .zero) + (blockStep ?? .zero) * blocks
  }

  /// Takes announced values where nothing was measured yet.
  mutating func seed(roundTrip: Duration?, blockStep: Duration?) {
    self.roundTrip = self.roundTrip ?? roundTrip
    self.blockStep = self.blockStep ?? blockStep
  }

  /// Records the time of a one-token step.
  ///
  /// - Parameters:
  ///   - elapsed: From the client's request to the answer.
  ///   - answer: What of it was the node's work.
  ///   - blocks: How many blocks the token went through.
  mutating func recordStep(elapsed: Duration, answer: Duration, blocks: Int) {
    // A node that claims more than all of the time is believed for all of it.
    let work = min(answer, elapsed)
    roundTrip = Self.blend(roundTrip, elapsed - work)
    recordWork(work, blocks: blocks)
  }

  /// Records a node's own time for one token through so many blocks.
  mutating func recordWork(_ work: Duration, blocks: Int) {
    blockStep = Self.blend(blockStep, work / max(1, blocks))
  }

  private static func blend(_ old: Duration?, _ new: Duration) -> Duration {
    old.map { $0 + (new - $0) / weight } ?? new
  }
}
