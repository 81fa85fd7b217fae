import AsyncPrimitives
import Bloom
public import Logging
public import PetalsNode
import Synchronization

/// Finds a model's servers in the hash table, and keeps the ways to them.
final class SwarmDirectory: Sendable {
  /// How often a client looks for servers.
  static let refreshInterval = Duration.seconds(60)
  /// How long a first search goes on: just after its start a peer may not know the records yet.
  private static let patience = Duration.seconds(10)
  private static let retryInterval = Duration.milliseconds(250)

  let table: SwarmDHT
  private let model: SwarmModel
  private let identity: Route.ModelIdentity
  private let limits: SwarmLimits
  private let transports = Mutex<[PeerID: SwarmTransport]>([:])

  init(_ table: SwarmDHT, model: SwarmModel, identity: Route.ModelIdentity, limits: SwarmLimits) {
    self.table = table
    self.model = model
    self.identity = identity
    self.limits = limits
  }

  /// The ways to all servers that are announced; at first it waits until each block has one.
  ///
  /// - Throws: `CancellationError`.
  func discover() async throws -> [any BlockTransport] {
    let time = Stopwatch(table.peer.clock)
    while true {
      let servers = try await table.servers(of: model, logger: table.peer.logger)
      let isCovered = (0..<model.blockCount).allSatisfy { block in
        servers.contains { $0.value.blocks.contains(block) }
      }
      if isCovered || time.elapsed >= Self.patience || transports.withLock({ !$0.isEmpty }) {
        return update(servers)
      }
      try await time.sleep(until: time.elapsed + Self.retryInterval)
    }
  }

  private func update(_ servers: [PeerID: ServerRecord]) -> [any BlockTransport] {
    transports.withLock { transports in
      for (id, record) in servers {
        if let transport = transports[id] {
          transport.update(record)
        } else {
          transports[id] = SwarmTransport(
            table.peer, to: id, record: record, model: model, identity: identity, limits: limits)
        }
      }
      return servers.keys.sorted { $0.description < $1.description }.compactMap { transports[$0] }
    }
  }
}

extension SwarmDHT {
  /// The servers of a model that are announced in one of some states, online alone if none is named.
  ///
  /// An entry that has not its form, or stands under a block that it does not name, is done without.
  /// - Throws: `CancellationError`.
  package func servers(
    of model: SwarmModel, in states: Set<ServerRecord.State> = [.online], logger: Logger
  ) async throws -> [PeerID: ServerRecord] {
    let blocks = Dictionary(
      uniqueKeysWithValues: (0..<model.blockCount).map { (model.key($0), $0) })
    var servers: [PeerID: (record: ServerRecord, until: Double)] = [:]
    for (key, record) in try await records(Array(blocks.keys)) {
      guard let block = blocks[key], case .dictionary(let dictionary) = record else { continue }
      for (subkey, value) in dictionary.values {
        do {
          guard let text = subkey.text else {
            throw SwarmMessageError("a server's record", "it is under no peer's name")
          }
          let id = try PeerID(parsing: text)
          guard value.expiration <= now + DHTStorage.longestLife else {
            throw SwarmMessageError("a server's record", "it is to hold for more than an hour")
          }
          let record = try ServerRecord(try value.decoded)
          guard record.blocks.contains(block), record.blocks.upperBound <= model.blockCount else {
            throw SwarmMessageError(
              "a server's record", "blocks \(record.blocks) are announced under block \(block)")
          }
          if let known = servers[id], known.until >= value.expiration { continue }
          servers[id] = (record, value.expiration)
        } catch {
          logger.notice(
            "an entry of the hash table is done without",
            metadata: ["block": "\(block)", "error": "\(error)"])
        }
      }
    }
    return servers.mapValues(\.record).filter { states.contains($0.value.state) }
  }
}

/// Runs a body with a pipeline through the servers of a swarm, those of Petals included.
///
/// Servers are found in the hash table when the client begins, every minute, and whenever there is no way
/// through those it knows. One that fails in mid-session is replaced, which Petals' own client does not do.
///
/// - Parameters:
///   - peer: The peer to call through.
///   - model: The model's embedding and head, which the client computes.
///   - swarm: The model as the swarm knows it.
///   - limits: How long calls may take.
///   - recovery: How the client goes on when a server fails.
///   - isolation: The actor that `body` runs on; the caller's.
///   - logger: Hears of servers that are replaced.
///   - body: Generates.
/// - Throws: ``SwarmError``; `RouteError` when the servers do not make the model; what the body throws.
public func withSwarmClient<Result: Sendable>(
  _ peer: SwarmPeer, _ model: ClientModel, swarm: SwarmModel, limits: SwarmLimits = SwarmLimits(),
  recovery: RecoveryPolicy = RecoveryPolicy(), isolation: isolated (any Actor)? = #isolation,
  logger: Logger = Logger(label: "petals.swarm.client"),
  _ body: (PipelineClient) async throws -> Result
) async throws -> Result {
  let directory = SwarmDirectory(
    try peer.hashTable, model: swarm, identity: model.identity, limits: limits)
  return try await withPipelineClient(
    model, transports: [], discovery: { try await directory.discover() }, recovery: recovery,
    clock: peer.clock, logger: logger
  ) { client in
    let refreshing = Task {
      let time = Stopwatch(peer.clock)
      while !Task.isCancelled {
        try await time.sleep(until: time.elapsed + SwarmDirectory.refreshInterval)
        // What could not be refreshed is refreshed by whoever finds no way.
        try? await client.refresh()
      }
    }
    let outcome: Swift.Result<Result, any Error>
    do {
      outcome = .success(try await body(client))
    } catch {
      outcome = .failure(error)
    }
    refreshing.cancel()
    _ = await refreshing.result
    return try outcome.get()
  }
}
