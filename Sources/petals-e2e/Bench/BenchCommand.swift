import ArgumentParser
import Bloom
import Foundation
import PlumiseWire

/// `bench`: what this machine and this build do.
struct BenchCommand: AsyncParsableCommand {
  /// What can be measured.
  enum Subject: String, CaseIterable, ExpressibleByArgument {
    case inference
    case nodes
    case chain
    case oracle
    case fixtures
    case services
    case evm
  }

  static let configuration = CommandConfiguration(
    commandName: "bench",
    abstract: "Measure inference, chain, oracle, bytecode, and how fast the parts start.",
    discussion: """
      EXAMPLE
        petals-e2e bench --only inference --model bloom-560m --dtype f16 --dtype q8
      """)

  @Option(help: "Measure only: \(Subject.allCases.map(\.rawValue).joined(separator: ", ")).")
  var only: Subject?

  @Option(help: "The model for inference and nodes: a folder, tiny, or bloom-560m.")
  var model = "bloom-560m"

  @Option(help: "How a made model's weights are stored: f32, f16, bf16 or q8; may be repeated.")
  var dtype: [WeightType] = []

  @Option(
    within: WholeNumbers("a number of runs", 1...1000),
    help: "How often each figure is taken; the table shows the median.")
  var runs = 5

  @Option(
    within: .serviceURL,
    help: "Another oracle of the documented dialect to measure beside ours: its URL.")
  var oraclePeer: String?

  @OptionGroup var output: OutputOptions

  func validate() throws {
    guard dtype.count <= 1 || ModelSource(model).isMade else {
      throw ValidationError("--dtype is for tiny and bloom-560m; a folder has its own")
    }
    if let oraclePeer, URL(string: oraclePeer)?.port == nil {
      throw ValidationError("--oracle-peer \(oraclePeer) must be like http://127.0.0.1:8000")
    }
  }

  func run() async throws {
    let machine = Machine.current
    output.note(machine.line)
    if Machine.isDebugBuild {
      output.note("this is a debug build: figures are of no use; build with -c release")
    }
    var rows: [BenchRow] = []
    for subject in Subject.allCases where only == nil || only == subject {
      for row in try await measure(subject) {
        rows.append(row)
        if !output.json { output.result(.null, text: row.line) }
      }
    }
    if output.json {
      output.result(["machine": machine.json, "rows": .array(rows.map(\.json))], text: "")
    }
  }

  private func overModels(
    _ rows: (String, Checkpoint) async throws -> [BenchRow]
  ) async throws -> [BenchRow] {
    var result: [BenchRow] = []
    for dtype in dtype.isEmpty ? [.f16] : dtype {
      let path = try ModelSource(model).folder(dtype: dtype.elementType, quiet: output.quiet).path
      let checkpoint = try ModelFolder.checkpoint(path)
      try Self.requireRoom(checkpoint.configuration)
      for var row in try await rows(path, checkpoint) {
        row.model = checkpoint.name
        row.dtype = checkpoint.elementType.rawValue
        result.append(row)
      }
    }
    return result
  }

  /// - Throws: `CommandFailure` (wrong input) for a model that the prompts do not fit.
  private static func requireRoom(_ configuration: BloomConfiguration) throws {
    guard configuration.vocabularySize >= 32, configuration.sequenceLength >= 256 else {
      throw CommandFailure.wrongInput(
        "the model has \(configuration.vocabularySize) token ids and \(configuration.sequenceLength)"
          + " positions; what is measured needs 32 and 256")
    }
  }

  /// With several types, the first is what the others' logits are compared with.
  private func inferenceRows() async throws -> [BenchRow] {
    var reference: AccuracyBench?
    return try await overModels { path, checkpoint in
      let rows = try await InferenceBench(path: path, runs: runs).rows()
      guard dtype.count > 1 else { return rows }
      let accuracy = try await AccuracyBench(checkpoint)
      guard let reference else {
        reference = accuracy
        return rows
      }
      return rows + accuracy.rows(against: reference)
    }
  }

  private func measure(_ subject: Subject) async throws -> [BenchRow] {
    switch subject {
    case .inference: return try await inferenceRows()
    case .nodes:
      return try await overModels { path, _ in
        try await NodeBench(path: path, runs: runs).rows()
          + RecoveryBench(path: path, runs: runs).rows()
      }
    case .chain: return try await ChainBench(runs: runs).rows()
    case .oracle:
      return try await OracleBench(runs: runs, peer: oraclePeer.flatMap { URL(string: $0) }).rows()
    case .fixtures: return try await FixtureBench(runs: runs).rows()
    case .services: return try await ServiceBench(runs: runs).rows()
    case .evm: return try await EVMBench(runs: runs).rows()
    }
  }
}
