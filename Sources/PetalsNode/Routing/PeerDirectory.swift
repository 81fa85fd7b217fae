import Bloom
import Synchronization

/// What a client knows of its peers, and the ways through them that follow from it.
final class PeerDirectory: Sendable {
  let model: Route.Model
  private let policy: RecoveryPolicy
  private let time: Stopwatch
  private let records: Mutex<[PeerRecord]>

  /// Peers in the order in which they were named; of two with one name, the first stays.
  init(
    _ transports: [any BlockTransport], model: Route.Model, policy: RecoveryPolicy, time: Stopwatch
  ) {
    self.model = model
    self.policy = policy
    self.time = time
    var names: Set<String> = []
    let distinct = transports.filter { names.insert($0.peer).inserted }
    records = Mutex(distinct.map(PeerRecord.init))
  }

  /// Asks the peers of which nothing is known what they serve, those under a ban aside.
  ///
  /// A peer that does not answer is remembered as one that cannot be asked for anything.
  /// - Throws: ``RouteError/noPeers``; ``RouteError`` for a peer of another model, which was named
  ///   by mistake; `CancellationError`.
  func ask() async throws {
    let now = time.elapsed
    let unknown = try records.withLock { records throws(RouteError) in
      if records.isEmpty { throw .noPeers }
      return records.filter { $0.info == nil && !$0.isBanned(at: now) }.map(\.transport)
    }
    try await ask(unknown, again: false)
    // The first answer's time includes the connection's making. Where there is a choice, the way
    // itself has to be known.
    try await ask(contested(unknown), again: true)
  }

  private func ask(_ transports: [any BlockTransport], again: Bool) async throws {
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
        change(peer) { $0.answered(info, roundTrip: again ? elapsed : nil) }
      case .failure(let error):
        let now = time.elapsed
        let reason = error as? NodeError ?? NodeError(.internalFault, "\(error)", peer: peer)
        change(peer) { [policy] in $0.didNotAnswer(reason, at: now, policy) }
      }
    }
  }

  /// Those whose blocks another peer serves too.
  private func contested(_ transports: [any BlockTransport]) -> [any BlockTransport] {
    let infos = records.withLock { records in records.compactMap { $0.candidate() } }
    return transports.filter { transport in
      guard let own = infos.first(where: { $0.peer == transport.peer }) else { return false }
      return infos.contains {
        $0.peer != own.peer && $0.blocks.indices.overlaps(own.blocks.indices)
      }
    }
  }

  /// The quickest way through blocks, as far as is known.
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
        reason = "\(record.trouble ?? "it failed"); it is left alone for \(until - now)"
      } else if let candidate, candidate.maximumLength < length {
        reason = "it takes \(candidate.maximumLength) tokens, not \(length)"
      } else if let candidate {
        candidates.append(candidate)
      } else {
        reason = record.trouble ?? "it was not asked yet"
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
      ? .unserved(missing: missing, total: model.layerCount, peers: descriptions)
      : .gap(missing: missing, total: model.layerCount, peers: descriptions)
  }

  /// Most tokens for which there is a way through all blocks.
  var maximumLength: Int {
    let lengths = Set(records.withLock { $0.compactMap { $0.info?.maximumLength } })
    for length in lengths.sorted(by: >) {
      if (try? route(0..<model.layerCount, length: length)) != nil { return length }
    }
    return lengths.max() ?? 0
  }

  /// The way to a peer.
  func transport(to peer: String) throws(NodeError) -> any BlockTransport {
    guard let record = records.withLock({ $0.first { $0.peer == peer } }) else {
      throw NodeError(.internalFault, "no peer of this client", peer: peer)
    }
    return record.transport
  }

  /// A peer failed amid its work, and is left alone for a while.
  func ban(_ peer: String, _ error: NodeError) {
    let now = time.elapsed
    change(peer) { [policy] in $0.failed(error.message, at: now, policy) }
  }

  /// Peers did what they were asked for.
  func succeeded(_ peers: [String]) {
    for peer in peers { change(peer) { $0.succeeded() } }
  }

  /// A peer answered a step of one token.
  func learn(_ peer: String, elapsed: Duration, answer: Duration, blocks: Int) {
    change(peer) { $0.learn(elapsed: elapsed, answer: answer, blocks: blocks) }
  }

  /// What is known of a peer's times.
  func times(of peer: String) -> PeerTimes? {
    records.withLock { $0.first { $0.peer == peer }?.times }
  }

  private func change(_ peer: String, _ change: (inout PeerRecord) -> Void) {
    records.withLock { records in
      guard let index = records.firstIndex(where: { $0.peer == peer }) else { return }
      change(&records[index])
    }
  }
}
