import Bloom
import PetalsNode
import PlumiseTesting

/// What a token takes through two nodes, by way of the client and from node to node, next to it and away from it.
struct HandOverBench: Sendable {
  private static let maxNewTokens = 32
  /// One way of each message where the nodes are away.
  private static let delay = Duration.milliseconds(2)

  let path: String
  let runs: Int

  /// Two nodes, and how they are reached.
  private struct Way {
    let name: String
    let peers: [PeerAddress]
    var milliseconds: [Double] = []
  }

  func rows() async throws -> [BenchRow] {
    let checkpoint = try ModelFolder.checkpoint(path)
    let processes = NetworkProcesses()
    do {
      let rows = try await rows(checkpoint, processes)
      await processes.stop(processes.all)
      return rows
    } catch {
      await processes.stop(processes.all)
      throw error
    }
  }

  private func rows(
    _ checkpoint: Checkpoint, _ processes: NetworkProcesses
  ) async throws -> [BenchRow] {
    let halves = try BlockRange.split(blockCount: checkpoint.configuration.blockCount, into: 2)
    let children = [[], ["--hand-on"]].flatMap { options in
      halves.map { blocks in
        processes.start(
          "node of blocks \(blocks)",
          ["node", "--model", path, "--blocks", "\(blocks)", "--port", "0"] + options)
      }
    }
    let peers = try await children.concurrentMap {
      try PeerAddress(parsing: try await $0.url(of: .node).replacing("grpc://", with: ""))
    }
    let request = Bloom.GenerationRequest(
      prompt: (0..<8).map { Int32(4 + $0 * 3) }, maxNewTokens: Self.maxNewTokens)
    let expected = try await LocalGenerator(checkpoint).generate(request).ids
    return try await withLinks(to: peers[...], []) { links in
      var ways = [
        Way(name: "a token by way of the client", peers: Array(peers[..<2])),
        Way(name: "… from node to node", peers: Array(peers[2...])),
        Way(name: "… by way of the client, 2 ms each way", peers: Array(links[..<2])),
        Way(name: "… from node to node, 2 ms each way", peers: Array(links[2...])),
      ]
      // In turn, so that what else the machine does is the same for all. The first reads the file.
      for run in 0...runs {
        for index in ways.indices {
          let result = try await RemoteGeneration.run(
            request, text: nil, checkpoint, nil, peers: ways[index].peers)
          guard result.generatedIDs == expected else {
            throw CommandFailure.failed("two nodes gave other tokens than one process")
          }
          if run > 0 { ways[index].milliseconds.append(1000 / result.tokensPerSecond) }
        }
      }
      let name = "\(checkpoint.name) \(checkpoint.elementType.rawValue)"
      return ways.map { BenchRow("nodes", "\(name): \($0.name)", "ms", $0.milliseconds) }
    }
  }

  /// Runs a body with a slow link before each node: messages between two nodes are as long on their way as
  /// those of the client.
  private func withLinks(
    to peers: ArraySlice<PeerAddress>, _ links: [PeerAddress],
    _ body: ([PeerAddress]) async throws -> [BenchRow]
  ) async throws -> [BenchRow] {
    guard let peer = peers.first else { return try await body(links) }
    return try await withFaultyLink(to: peer) { link in
      link.add(LinkFaultRule(.delay(Self.delay), count: nil))
      return try await withLinks(to: peers.dropFirst(), links + [link.peer], body)
    }
  }
}
