import ArgumentParser
import AsyncPrimitives
import Bloom
import Foundation
import PetalsSwarm
import PlumiseWire

/// `swarm`: a swarm's first peer, and what its members serve.
struct SwarmCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "swarm",
    abstract: "Begin a swarm of nodes, or see what its nodes serve.",
    discussion: """
      EXAMPLE
        petals-e2e swarm bootstrap --swarm-port 31340 --identity-file bootstrap.key
        petals-e2e node --model model --blocks 0-11 \\
          --swarm /ip4/127.0.0.1/tcp/31340/p2p/12D3KooW...
        petals-e2e swarm status --model model \\
          --swarm /ip4/127.0.0.1/tcp/31340/p2p/12D3KooW...
      """,
    subcommands: [SwarmBootstrapCommand.self, SwarmStatusCommand.self])
}

/// `swarm bootstrap`: a peer that serves no blocks, by which others find each other.
struct SwarmBootstrapCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bootstrap",
    abstract: "Run a peer that others join the swarm through; it serves no blocks.",
    discussion: """
      EXAMPLE
        petals-e2e swarm bootstrap --swarm-port 31340 --identity-file bootstrap.key
      """)

  @Option(within: .newSwarm, help: "Peers of the swarm to join, with commas; new begins one.")
  var swarm = SwarmPeers(addresses: [])

  @Option(within: .port, help: "The TCP port of libp2p; 0 takes any free one.")
  var swarmPort = 31340

  @OptionGroup var peer: SwarmPeerOptions
  @OptionGroup var service: ServiceOptions

  func run() async throws {
    let configuration = try peer.configuration(
      host: service.host, port: swarmPort, initialPeers: swarm.addresses, membership: .full)
    let signals = service.shutdownSignals()
    try await CommandFailure.mappingSwarmErrors {
      try await withSwarmPeer(configuration, logger: peer.logger) { peer in
        service.announce(peer)
        try await peer.whileItRuns { _ = try await signals.next() }
      }
    }
  }
}

/// `swarm status`: the servers of a model, by what they say in the hash table.
struct SwarmStatusCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "status",
    abstract: "List the servers of a model that a swarm has, and the blocks that nobody serves.",
    discussion: """
      EXAMPLE
        petals-e2e swarm status --model model \\
          --swarm /ip4/127.0.0.1/tcp/31340/p2p/12D3KooW...
      """)

  @Option(within: .swarm, help: "Peers of the swarm: /ip4/…/tcp/…/p2p/…, with commas.")
  var swarm: SwarmPeers

  @Option(help: "The model's folder.")
  var model: String

  @Option(help: "What the swarm calls the model; without it its name, and -petals.")
  var swarmPrefix: String?

  @OptionGroup var peer: SwarmPeerOptions
  @OptionGroup var output: OutputOptions

  func run() async throws {
    let checkpoint = try ModelFolder.checkpoint(model)
    let model = try SwarmModel(checkpoint, prefix: swarmPrefix)
    let configuration = try peer.configuration(
      host: "127.0.0.1", port: 0, initialPeers: swarm.addresses, membership: .client)
    let status = try await CommandFailure.mappingSwarmErrors {
      try await withSwarmPeer(configuration, logger: peer.logger) {
        try await SwarmStatus(of: model, fingerprint: checkpoint.fingerprint, through: $0)
      }
    }
    output.result(status.json(prefix: model.prefix), text: status.text(prefix: model.prefix))
  }
}

extension SwarmStatus {
  fileprivate func json(prefix: String) -> JSON {
    [
      "prefix": .string(prefix),
      "servers": .array(
        servers.map { server in
          [
            "peer": .string(server.peer.description),
            "blocks": [.integer(server.blocks.lowerBound), .integer(server.blocks.upperBound)],
            "name": server.name.map(JSON.string) ?? .null,
            "version": server.version.map(JSON.string) ?? .null,
            "tokens_per_second": server.tokensPerSecond.map { .decimal($0, places: 2) } ?? .null,
            "other_model": .bool(server.isOfAnotherModel),
            "cache_tokens_left": server.cacheTokensLeft.map { .integer($0) } ?? .null,
          ]
        }),
      "unserved": .array(unservedBlocks.map { .integer($0) }),
    ]
  }

  fileprivate func text(prefix: String) -> String {
    var lines = servers.map { server in
      let name =
        (server.name.map { " \($0.singleLine)" } ?? "")
        + (server.isOfAnotherModel ? ", of other weights" : "")
      return
        "\(server.peer) blocks \(server.blocks.lowerBound)-\(server.blocks.upperBound - 1)\(name)"
    }
    if lines.isEmpty { lines.append("no server of \(prefix)") }
    if !unservedBlocks.isEmpty, !servers.isEmpty {
      lines.append(
        "nobody serves block \(unservedBlocks.map(String.init).joined(separator: ", "))")
    }
    return lines.joined(separator: "\n")
  }
}

extension SwarmPeer {
  /// Runs a body for as long as p2pd does.
  /// - Throws: `CommandFailure` when p2pd ends first.
  func whileItRuns<R: Sendable>(
    _ body: @escaping @Sendable () async throws -> R
  ) async throws -> R {
    try await race(
      body,
      against: {
        try await self.waitUntilEnded()
        throw CommandFailure.failed("p2pd has ended: start the command again")
      })
  }
}

extension ServiceOptions {
  /// Says where a swarm's peer is reached.
  func announce(_ peer: SwarmPeer) {
    for address in peer.addresses { announce(.listening(.swarm, url: address.description)) }
  }
}
