import Bloom
import PetalsNode

/// This program and others in alternation, on the same model: figures of one hour that are to be compared.
struct ComparisonBench: Sendable {
  private static let tasks: [ComparedTask] = [
    .prefill(tokens: InferenceBench.promptLength),
    .decode(prompt: 8, tokens: InferenceBench.maxNewTokens),
    .sessions(count: 8, tokens: 16),
  ]

  let checkpoint: Checkpoint
  let runs: Int
  let programs: [ComparedProgram]

  /// Rates of all, and for each program ours divided by its own, round by round.
  func rows() async throws -> [BenchRow] {
    let generator = LocalGenerator(checkpoint)
    let node = NodeConfiguration(
      checkpoint: checkpoint, blocks: BlockRange(all: checkpoint.configuration.blockCount))
    let rounds = try await withPetalsNode(node) { node in
      try await withPipelineClient(ClientModel(checkpoint), transports: [node.transport]) {
        client in
        var rounds: [ComparedTask: [[Double]]] = [:]
        // The first round reads files, and has each program find its memory.
        for round in 0...runs {
          for task in Self.tasks {
            var rates = [try await rate(of: task, generator, client)]
            for program in programs { rates.append(try await program.rate(of: task)) }
            if round > 0 { rounds[task, default: []].append(rates) }
          }
        }
        return rounds
      }
    }
    return Self.tasks.flatMap { rows($0, rounds[$0] ?? []) }
  }

  /// - Parameter rounds: our rate in each round, then the programs'.
  private func rows(_ task: ComparedTask, _ rounds: [[Double]]) -> [BenchRow] {
    let name = "\(checkpoint.name) \(checkpoint.elementType.rawValue): \(task.name)"
    var rows = [BenchRow("beside", "\(name), petals-e2e", "tokens/s", rounds.map { $0[0] })]
    for (index, program) in programs.enumerated() {
      rows.append(
        BenchRow("beside", "\(name), \(program.name)", "tokens/s", rounds.map { $0[index + 1] }))
      rows.append(
        BenchRow(
          "beside", "\(name), petals-e2e ÷ \(program.kind.rawValue)", "",
          rounds.map { $0[0] / $0[index + 1] }))
    }
    return rows
  }

  private func rate(
    of task: ComparedTask, _ generator: LocalGenerator, _ client: PipelineClient
  ) async throws -> Double {
    switch task {
    case .prefill(let tokens):
      let prompt = InferenceBench.prompt(tokens, for: checkpoint)
      let result = try await generator.generate(.init(prompt: prompt, maxNewTokens: 1))
      return Double(tokens) / (result.timeToFirstToken / .seconds(1))
    case .decode(let length, let tokens):
      let prompt = InferenceBench.prompt(length, for: checkpoint)
      return try await generator.generate(.init(prompt: prompt, maxNewTokens: tokens))
        .tokensPerSecond
    case .sessions(let count, let tokens):
      return try await BatchBench.rate(of: count, tokens: tokens, with: client)
    }
  }
}
