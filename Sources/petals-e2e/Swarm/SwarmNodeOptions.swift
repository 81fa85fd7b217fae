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

  @Option(
    within: .blockCounts,
    help: """
      In place of --blocks: serve so many blocks, those that the swarm serves worst, and move to others \
      when that pays; auto serves as many as memory allows.
      """)
  var numBlocks: BlockCount?

  @Option(
    within: .memory,
    help: "The memory in megabytes that --num-blocks auto may take; without it, what is free.")
  var memoryMb: Int?

  @Option(
    within: .balanceQuality,
    help: """
      The fraction of the best throughput that the swarm may fall to before a node with --num-blocks \
      moves; 0 never moves.
      """)
  var balanceQuality = 0.75

  @Option(
    within: .balanceInterval,
    help: "Seconds from one look at the swarm's balance to the next, in the mean.")
  var balanceInterval = Seconds(whole: 120)

  @OptionGroup var peer: SwarmPeerOptions

  func validate() throws {
    if numBlocks != nil, swarm == nil {
      throw ValidationError("--num-blocks needs --swarm, whose balance says which blocks")
    }
    if memoryMb != nil, numBlocks != .asMemoryAllows {
      throw ValidationError("--memory-mb needs --num-blocks auto, whose number it decides")
    }
  }

  /// Runs a body with the node's membership in the swarm; nil where no swarm was named.
  func withMembership<R: Sendable>(
    _ checkpoint: Checkpoint, _ cacheType: CacheType, _ service: ServiceOptions,
    _ body: (SwarmMembership?) async throws -> R
  ) async throws -> R {
    guard let swarm else { return try await body(nil) }
    let model = try SwarmModel(checkpoint, prefix: swarmPrefix)
    let memory = try numBlocks.map {
      try $0.memory(for: checkpoint, cacheType: cacheType, megabytes: memoryMb)
    }
    let placement = memory.map {
      SwarmPlacement(
        blockCount: $0.blockCount, quality: balanceQuality,
        checkInterval: balanceInterval.duration)
    }
    let configuration = try peer.configuration(
      host: service.host, port: swarmPort, initialPeers: swarm.addresses, membership: .full)
    return try await CommandFailure.mappingSwarmErrors {
      try await withSwarmPeer(configuration, logger: peer.logger) { peer in
        try await body(
          SwarmMembership(
            peer: peer, model: model, fingerprint: checkpoint.fingerprint, name: swarmName,
            placement: placement,
            cacheBudget: memory?.cacheBudget, service: service))
      }
    }
  }
}

/// A node's membership in a swarm, which may outlast several nodes on different blocks.
struct SwarmMembership: Sendable {
  let peer: SwarmPeer
  let model: SwarmModel
  /// Of the model's weights: servers of others do not count.
  let fingerprint: String
  let name: String?
  /// How the node's blocks are found; nil for a node whose owner named them.
  let placement: SwarmPlacement?
  /// What the caches of the node may take, where its memory decides how many blocks it serves.
  let cacheBudget: Int?
  let service: ServiceOptions

  /// The blocks that the swarm serves worst now; nil for a node whose owner named them.
  func blocks() async throws -> BlockRange? {
    guard let placement else { return nil }
    let blocks = try await peer.worstServedBlocks(
      placement.blockCount, of: model, fingerprint: fingerprint)
    service.announce(.placed(blocks: "\(blocks)", of: model.blockCount))
    return blocks
  }

  /// Serves a node's blocks until a body returns, or the swarm needs other blocks more.
  ///
  /// - Returns: Whether the node is to move.
  func serve(
    _ node: PetalsNode, _ body: @escaping @Sendable () async throws -> Void
  ) async throws -> Bool {
    try await withSwarmServer(peer, node: node, model: model, publicName: name) { server in
      service.announce(peer)
      return try await peer.whileItRuns {
        guard let placement else {
          try await body()
          return false
        }
        return try await withThrowingTaskGroup(of: Bool.self) { group in
          group.addTask {
            try await body()
            return false
          }
          group.addTask {
            let move = try await server.waitForBetterBlocks(placement)
            service.announce(
              .moving(from: "\(move.blocks)", to: "\(move.target)", reason: "\(move)"))
            return true
          }
          defer { group.cancelAll() }
          return try await group.next() ?? false
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
    draft: DraftModel? = nil, onToken: @escaping @Sendable (Int32) -> Void
  ) async throws -> GeneratedText {
    let model = try options.model(of: checkpoint)
    let result = try await options.withPeer(swarm) { peer in
      let ends = ClientModel(checkpoint, tokenizer: tokenizer)
      return try await withSwarmClient(
        peer, ends, swarm: model, logger: options.peer.logger
      ) { client in
        let tokens = try client.generate(
          PipelineRequest(
            promptIDs: request.prompt, prompt: text, maxNewTokens: request.maxNewTokens,
            sampling: request.sampling, seed: request.seed, draft: draft))
        return try await tokens.collect { onToken($0.id) }
      }
    }
    return GeneratedText(
      promptIDs: result.promptIDs, generatedIDs: result.generatedIDs, text: result.text,
      timeToFirstToken: result.timeToFirstToken, tokensPerSecond: result.tokensPerSecond,
      route: result.route.hops.map { GeneratedText.Hop(peer: $0.peer, blocks: $0.blocks.indices) },
      draft: result.draft)
  }
}
