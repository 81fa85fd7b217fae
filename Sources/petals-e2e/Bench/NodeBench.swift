import Bloom
import Foundation
import PetalsNode
import Subprocess

/// What nodes cost that are processes of their own.
struct NodeBench: Sendable {
  private static let maxNewTokens = 32

  let path: String
  let runs: Int

  func rows() async throws -> [BenchRow] {
    let checkpoint = try ModelFolder.checkpoint(path)
    let name = "\(checkpoint.name) \(checkpoint.elementType.rawValue)"
    var rows = [row("\(name): process start to first token", "ms", try await starts(checkpoint))]
    let processes = NetworkProcesses()
    do {
      rows += try await throughTwo(checkpoint, name, processes)
      await processes.stop(processes.all)
    } catch {
      await processes.stop(processes.all)
      throw error
    }
    return rows
  }

  /// From the start of a process to the first byte that it writes: the text of its first token.
  private func starts(_ checkpoint: Checkpoint) async throws -> [Double] {
    var times: [Double] = []
    let clock = ContinuousClock()
    for _ in 0..<runs {
      let began = clock.now
      let result = try await Subprocess.run(
        .thisProgram,
        arguments: [
          "generate", "--model", path, "--token-ids", "5", "--max-new-tokens", "1", "--quiet",
        ], environment: BLASEnvironment.forChildren.updating(ParentLifeline.environment),
        input: .inputWriter, output: .sequence, error: .discarded
      ) { execution -> Duration? in
        var first: Duration?
        for try await piece in execution.standardOutput where first == nil && !piece.isEmpty {
          first = clock.now - began
        }
        return first
      }
      guard result.terminationStatus == .exited(0), let first = result.closureResult else {
        throw CommandFailure.failed("generate wrote no token: \(result.terminationStatus)")
      }
      times.append(first / .milliseconds(1))
    }
    return times
  }

  private func throughTwo(
    _ checkpoint: Checkpoint, _ name: String, _ processes: NetworkProcesses
  ) async throws -> [BenchRow] {
    let halves = try BlockRange.split(blockCount: checkpoint.configuration.blockCount, into: 2)
    let children = halves.map { blocks in
      processes.start(
        "node of blocks \(blocks)",
        ["node", "--model", path, "--blocks", "\(blocks)", "--port", "0"])
    }
    let peers = try await children.concurrentMap {
      try PeerAddress(parsing: try await $0.url(of: .node).replacing("grpc://", with: ""))
    }
    let generator = LocalGenerator(checkpoint)
    let prompt = (0..<8).map { Int32(4 + $0 * 3) }
    var remote: [Double] = []
    var local: [Double] = []
    let generations = BenchRequests()
    for run in 0...runs {
      let request = Bloom.GenerationRequest(prompt: prompt, maxNewTokens: Self.maxNewTokens)
      let far = try await generations.noting(run: run - 1) {
        try await RemoteGeneration.run(request, text: nil, checkpoint, nil, peers: peers)
      }
      let near = try await generator.generate(request)
      guard far.generatedIDs == near.ids else {
        throw CommandFailure.failed("two nodes gave other tokens than one process")
      }
      // The first run reads the file, and opens connections.
      if run > 0 {
        remote.append(far.tokensPerSecond)
        local.append(near.tokensPerSecond)
      }
    }
    let counted = generations.all.filter { $0.run >= 0 }
    var rows = [
      row("\(name): decode through two nodes", "tokens/s", remote, counted),
      row("\(name): … as a share of one process", "", zip(remote, local).map { $0 / $1 }),
      row(
        "\(name): cost of a hop", "µs",
        zip(remote, local).map { (1 / $0 - 1 / $1) / Double(halves.count) * 1e6 }),
    ]
    if let resident = children.first?.processID.flatMap(Machine.residentMebibytes(of:)) {
      rows.append(
        row("\(name): memory of a node of \(halves[0].count) blocks", "MiB", [resident]))
    }
    return rows
  }

  private func row(
    _ name: String, _ unit: String, _ values: [Double], _ requests: [BenchRequest] = []
  ) -> BenchRow {
    BenchRow("nodes", name, unit, values, requests: requests)
  }
}

/// How long a generation stands still when a node is killed under it and another takes its place.
struct RecoveryBench: Sendable {
  private static let maxNewTokens = 24
  /// The node dies after so many tokens.
  private static let killAfterTokens = 8

  let path: String
  let runs: Int

  func rows() async throws -> [BenchRow] {
    let checkpoint = try ModelFolder.checkpoint(path)
    let request = Bloom.GenerationRequest(
      prompt: (0..<8).map { Int32(4 + $0 * 3) }, maxNewTokens: Self.maxNewTokens)
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
    let halves = try BlockRange.split(blockCount: checkpoint.configuration.blockCount, into: 2)
    // The second half is served twice.
    let children = [halves[0], halves[1], halves[1]].map { blocks in
      processes.start(
        "node of blocks \(blocks)",
        ["node", "--model", path, "--blocks", "\(blocks)", "--port", "0"])
    }
    let addresses = try await children.concurrentMap {
      try await $0.url(of: .node).replacing("grpc://", with: "")
    }
    let peers = try addresses.map { try PeerAddress(parsing: $0) }
    return try await withPipelineClient(ClientModel(checkpoint), peers: peers) { client in
      let tokens = try client.generate(
        PipelineRequest(promptIDs: request.prompt, maxNewTokens: request.maxNewTokens))
      let clock = ContinuousClock()
      var ids: [Int32] = []
      var last = clock.now
      var pause = Duration.zero
      for try await token in tokens {
        if ids.count == Self.killAfterTokens { pause = clock.now - last }
        ids.append(token.id)
        last = clock.now
        if ids.count == Self.killAfterTokens {
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
