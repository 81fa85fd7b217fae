import ArgumentParser
import Bloom
import Foundation
import Logging
import PetalsNode
import PetalsSwarm

/// The options of every subcommand that runs a swarm's peer.
struct SwarmPeerOptions: ParsableArguments {
  @Option(help: "The p2pd to run; without it $PETALS_P2PD, $PATH and the cache are searched.")
  var p2pd: String?

  @Option(
    help: """
      The file of the peer's key, made where there is none; without it the peer has another name each time.
      """)
  var identityFile: String?

  @Option(
    help: """
      Log what goes wrong with other peers to stderr from this level on: debug, info, notice, warning or \
      error.
      """)
  var log: LogLevelArgument?

  /// What hears of other peers; without a level, of what the owner has to do something about.
  var logger: Logger {
    log.map { JSONLogHandler.logger("swarm", from: $0.level) } ?? Logger(label: "petals.swarm")
  }

  /// How a peer runs.
  /// - Throws: `CommandFailure` (wrong input) for a missing p2pd and an unusable key.
  func configuration(
    host: String, port: Int, initialPeers: [SwarmAddress],
    membership: SwarmConfiguration.Membership
  ) throws -> SwarmConfiguration {
    try CommandFailure.checkingInput {
      SwarmConfiguration(
        daemon: try SwarmDaemonFile.find(p2pd), host: host, port: port,
        initialPeers: initialPeers,
        identity: try identityFile.map { try SwarmIdentity(file: URL(filePath: $0)) }
          ?? SwarmIdentity(),
        membership: membership)
    }
  }
}

/// The swarm that a client looks for servers in.
struct SwarmClientOptions: ParsableArguments {
  @Option(
    within: .swarm,
    help: "Peers of a swarm whose servers to go through: /ip4/…/tcp/…/p2p/…, with commas.")
  var swarm: SwarmPeers?

  @Option(help: "What the swarm calls the model; without it its name, and -petals.")
  var swarmPrefix: String?

  @OptionGroup var peer: SwarmPeerOptions

  /// The model as the swarm knows it.
  /// - Throws: `CommandFailure` (wrong input) for a prefix that cannot be one.
  func model(of checkpoint: Checkpoint) throws -> SwarmModel {
    try SwarmModel(checkpoint, prefix: swarmPrefix)
  }

  /// Runs a body with a peer of the swarm.
  func withPeer<R: Sendable>(
    _ addresses: [SwarmAddress], _ body: (SwarmPeer) async throws -> R
  ) async throws -> R {
    let configuration = try peer.configuration(
      host: "127.0.0.1", port: 0, initialPeers: addresses, membership: .client)
    return try await CommandFailure.mappingSwarmErrors {
      try await withSwarmPeer(configuration, logger: peer.logger, body)
    }
  }
}

extension SwarmModel {
  /// A checkpoint's model under a prefix; nil takes Petals' own for its name.
  /// - Throws: `CommandFailure` (wrong input).
  init(_ checkpoint: Checkpoint, prefix: String?) throws {
    self = try CommandFailure.checkingInput {
      try SwarmModel(
        prefix: prefix ?? SwarmModel.defaultPrefix(checkpoint.name),
        blockCount: checkpoint.configuration.blockCount)
    }
  }
}

/// Peers of a swarm as the command line spells them; none for `new`, a swarm that begins here.
package struct SwarmPeers: Hashable, Sendable {
  let addresses: [SwarmAddress]
}

/// Lists of peers of a swarm, at least one.
package struct SwarmPeerLists: OptionLimits {
  private let allowsNew: Bool

  package init(allowsNew: Bool = false) { self.allowsNew = allowsNew }

  package var limits: String { "" }
  package var expectation: String {
    "a swarm is \(allowsNew ? "new, or " : "")/ip4/ADDRESS/tcp/PORT/p2p/PEER of its peers, with "
      + "commas between them"
  }

  package func value(_ text: String) -> SwarmPeers? {
    if allowsNew, text == "new" { return SwarmPeers(addresses: []) }
    do {
      return SwarmPeers(addresses: try SwarmAddress.list(parsing: text))
    } catch {
      // What is expected says it all.
      return nil
    }
  }
}

extension OptionLimits where Self == SwarmPeerLists {
  static var swarm: Self { SwarmPeerLists() }
  static var newSwarm: Self { SwarmPeerLists(allowsNew: true) }
}

/// How many blocks a node serves, where its swarm says which.
package enum BlockCount: Hashable, Sendable {
  case fixed(Int)
  /// As many as the machine's memory has room for.
  case asMemoryAllows
}

/// Numbers of blocks, and `auto`.
package struct BlockCounts: OptionLimits {
  private static let most = 10_000

  package init() {}

  package var limits: String { "auto, or from 1 to \(Self.most)" }
  package var expectation: String {
    "a number of blocks is auto, or a whole number from 1 to \(Self.most)"
  }

  package func value(_ text: String) -> BlockCount? {
    if text == "auto" { return .asMemoryAllows }
    return Int(text).flatMap { (1...Self.most).contains($0) ? .fixed($0) : nil }
  }
}

extension OptionLimits where Self == BlockCounts {
  static var blockCounts: Self { BlockCounts() }
}

extension OptionLimits where Self == WholeNumbers<Int> {
  /// A machine's memory in megabytes.
  static var memory: Self { WholeNumbers("a memory", 1...100_000_000) }
}

extension OptionLimits where Self == RealNumbers<Double> {
  /// A fraction of what a swarm could be served at.
  static var balanceQuality: Self { RealNumbers("a quality", 0...1) }
}

extension OptionLimits where Self == Times {
  /// From one look at a swarm's balance to the next: each asks the hash table for all blocks.
  static var balanceInterval: Self { Times("the time from look to look", from: 0.1) }
}

extension CommandFailure {
  /// A failure of a swarm's peer, told apart: what is missing or misnamed here is wrong input.
  static func mappingSwarmErrors<R>(_ body: () async throws -> R) async throws -> R {
    do {
      return try await mappingPeerErrors(body)
    } catch let error as SwarmError {
      switch error.code {
      case .daemonMissing, .wrongIdentity, .wrongAddress: throw wrongInput("\(error)")
      default: throw failed("\(error)")
      }
    }
  }
}
