import ArgumentParser
import Bloom
import PetalsNode
import PetalsSwarm

/// The swarm that a node serves its blocks to, beside its gRPC port.
struct SwarmNodeOptions: ParsableArguments {
  @Option(
    within: .newSwarm,
    help: """
      Serve the blocks to the swarm of these peers too, /ip4/…/tcp/…/p2p/…, with commas; new begins a \
      swarm.
      """)
  var swarm: SwarmPeers?

  @Option(within: .port, help: "The swarm's TCP port (libp2p); 0 takes any free one.")
  var swarmPort = 0

  @Option(help: "What the swarm calls the model; without it its name, and -petals.")
  var swarmPrefix: String?

  @Option(help: "A name for people, which the swarm's monitors show.")
  var swarmName: String?

  @OptionGroup var peer: SwarmPeerOptions

  /// Runs a body while a node serves the swarm that was named; without one it just runs it.
  func serving(
    _ node: PetalsNode, _ service: ServiceOptions,
    _ body: @escaping @Sendable () async throws -> Void
  ) async throws {
    guard let swarm else { return try await body() }
    let model = try SwarmModel(node.configuration.checkpoint, prefix: swarmPrefix)
    let configuration = try peer.configuration(
      host: service.host, port: swarmPort, initialPeers: swarm.addresses, membership: .full)
    try await CommandFailure.mappingSwarmErrors {
      try await withSwarmPeer(configuration) { peer in
        try await withSwarmServer(peer, node: node, model: model, publicName: swarmName) { _ in
          service.announce(peer)
          try await peer.whileItRuns(body)
        }
      }
    }
  }
}

/// A generation through the servers of a swarm; only the embedding and the head are computed here.
enum SwarmGeneration {
  static func run(
    _ request: Bloom.GenerationRequest, text: String?, _ checkpoint: Checkpoint,
    _ tokenizer: Tokenizer?, _ options: SwarmClientOptions, swarm: [SwarmAddress],
    onToken: @escaping @Sendable (Int32) -> Void
  ) async throws -> GeneratedText {
    let model = try options.model(of: checkpoint)
    let result = try await options.withPeer(swarm) { peer in
      let ends = ClientModel(checkpoint, tokenizer: tokenizer)
      return try await withSwarmClient(peer, ends, swarm: model) { client in
        let tokens = try client.generate(
          PipelineRequest(
            promptIDs: request.prompt, prompt: text, maxNewTokens: request.maxNewTokens,
            sampling: request.sampling, seed: request.seed))
        return try await tokens.collect { onToken($0.id) }
      }
    }
    return GeneratedText(
      promptIDs: result.promptIDs, generatedIDs: result.generatedIDs, text: result.text,
      timeToFirstToken: result.timeToFirstToken, tokensPerSecond: result.tokensPerSecond,
      route: result.route.hops.map { GeneratedText.Hop(peer: $0.peer, blocks: $0.blocks.indices) })
  }
}
