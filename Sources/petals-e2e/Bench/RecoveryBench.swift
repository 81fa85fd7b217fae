import Bloom
import Foundation
import PetalsNode

/// How long a generation stands still when a node is killed under it and another takes its place.
struct RecoveryBench: Sendable {
  private static let newTokens = 24
  /// The node dies after so many tokens.
  private static let doomed = 8

  let path: String
  let runs: Int

  func rows() async throws -> [BenchRow] {
    let checkpoint = try ModelFolder.checkpoint(path)
    let request = Bloom.GenerationRequest(
      prompt: (0..<8).map { Int32(4 + $0 * 3) }, maxNewTokens: Self.newTokens)
    let expected = try await LocalGenerator(checkpoint).generate(request).ids
    var pauses: [Double] = []
    for _ in 0..<runs {
      let processes = NetworkProcesses()
      do {
        pauses.append(try await pause(checkpoint, request, expected, processes))
        await processes.stop(processes.all)
      } catch {
        await processes.stop(processes.all)
        throw error
      }
    }
    let name = "\(checkpoint.name) \(checkpoint.elementType.rawValue)"
    return [BenchRow("nodes", "\(name): pause when a node is killed", "ms", pauses)]
  }

  /// Milliseconds between the token before the kill and the one after it.
  private func pause(
    _ checkpoint: Checkpoint, _ request: Bloom.GenerationRequest, _ expected: [Int32],
    _ processes: NetworkProcesses
  ) async throws -> Double {
    let halves = try LayerRange.split(layerCount: checkpoint.configuration.layerCount, into: 2)
    // The second half is served twice.
    let children = [halves[0], halves[1], halves[1]].map { blocks in
      processes.start(
        "node of blocks \(blocks)",
        ["node", "--model", path, "--blocks", "\(blocks)", "--port", "0"])
    }
    let addresses = try await children.concurrently {
      try await $0.url(of: .node).replacing("grpc://", with: "")
    }
    let peers = try addresses.map { try PeerAddress(parsing: $0) }
    return try await withPipelineClient(ModelEnds(checkpoint), peers: peers) { client in
      let tokens = try client.generate(
        PipelineRequest(promptIDs: request.prompt, maximumNewTokens: request.maxNewTokens))
      let clock = ContinuousClock()
      var ids: [Int32] = []
      var last = clock.now
      var pause = Duration.zero
      for try await token in tokens {
        if ids.count == Self.doomed { pause = clock.now - last }
        ids.append(token.id)
        last = clock.now
        if ids.count == Self.doomed {
          let victim = await tokens.route?.hops.last?.peer
          guard let index = addresses.firstIndex(where: { $0 == victim }),
            let process = children[index].processID
          else { throw CommandFailure.failed("no child serves \(victim ?? "the last hop")") }
          kill(process, SIGKILL)
        }
      }
      guard ids == expected else {
        throw CommandFailure.failed("the generation went on with other tokens")
      }
      return pause / .milliseconds(1)
    }
  }
}
