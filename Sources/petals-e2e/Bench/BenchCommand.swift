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
    case networks
    case services
    case evm
  }

  static let configuration = CommandConfiguration(
    commandName: "bench",
    abstract: "Measure inference, chain, oracle, bytecode, and how fast the parts start.",
    discussion: """
      EXAMPLE
        petals-e2e bench --only inference --model bloom-560m --dtype f16 --dtype q8
        petals-e2e bench --only fixtures --report before
      """)

  @Option(help: "Measure only: \(Subject.allCases.map(\.rawValue).joined(separator: ", ")).")
  var only: Subject?

  @Option(help: "The model for inference and nodes: a folder, tiny, or bloom-560m.")
  var model = "bloom-560m"

  @Option(help: "How a made model's weights are stored: f32, f16, bf16, q8 or q4; may be repeated.")
  var dtype: [WeightType] = []

  @Option(
    help: "How inference stores keys and values: f32 or f16; may be repeated.")
  var cache: [CacheType] = []

  @Option(
    within: WholeNumbers("a number of runs", 1...1000),
    help: "How often each figure is taken; the table shows the median.")
  var runs = 5

  @Option(
    within: WholeNumbers("a number of tokens", 1...1_000_000),
    help: "Measure decoding after a prompt of so many tokens as well.")
  var context: Int?

  @Option(
    within: .serviceURL,
    help: "Another oracle of the documented dialect to measure beside ours: its URL.")
  var oraclePeer: String?

  @Option(
    help: "Other programs to measure in alternation: llama.cpp, torch, or both with a comma."
  )
  var beside: ComparedList?

  @Option(
    help: "A Python interpreter with the packages of --beside.", completion: .file())
  var python = "python3"

  @Option(
    help: "A folder for report.html, report.json, junit.xml and requests.jsonl.",
    completion: .directory)
  var report: String?

  @OptionGroup var output: OutputOptions

  func validate() throws {
    guard dtype.count <= 1 || ModelSource(model).isSynthesized else {
      throw ValidationError("--dtype is for tiny and bloom-560m; a folder has its own")
    }
    if beside != nil, only != .inference {
      throw ValidationError("--beside compares inference: add --only inference")
    }
    if beside != nil, !cache.isEmpty {
      throw ValidationError("--beside compares with caches of f32: leave out --cache")
    }
    if !cache.isEmpty, only != nil, only != .inference {
      throw ValidationError("--cache is for inference: add --only inference")
    }
    if let oraclePeer, URL(string: oraclePeer)?.port == nil {
      throw ValidationError("--oracle-peer \(oraclePeer) must be like http://127.0.0.1:8000")
    }
  }

  func run() async throws {
    let folder = try report.map { try ReportFolder($0) }
    let began = ContinuousClock.now
    var measured = BenchReport(started: Date())
    output.note(Machine.current.line)
    if Machine.isDebugBuild {
      output.note("this is a debug build: figures are of no use; build with -c release")
    }
    let subjects = Subject.allCases.filter { only == nil || only == $0 }
    let pace = BenchPace(subjects.count)
    for (index, subject) in subjects.enumerated() {
      let text =
        "measuring \(subject.rawValue) (\(index + 1) of \(subjects.count))\(pace.timeLeft(after: index))"
      let found = try await ActivityLine.showing(text, quiet: output.quiet) {
        try await measure(subject)
      }
      for row in found {
        measured.rows.append(row)
        if !output.json { output.result(.null, text: row.line(in: output.style)) }
      }
    }
    measured.duration = ContinuousClock.now - began
    let unwritten = CommandFailure.joined(
      CommandFailure.of {
        try folder?.write(measured.json, page: measured.page, units: measured.units)
      },
      CommandFailure.of { try folder?.write(requests: measured.requestLines) })
    if output.json {
      output.result(measured.json, text: "")
    } else if let folder, unwritten == nil {
      output.result(.null, text: "report: \(folder.page)")
    } else {
      output.note("what limits each row: Documentation/Performance.md")
    }
    if let unwritten { throw unwritten }
  }

  private func forEachModel(
    _ rows: (String, Checkpoint) async throws -> [BenchRow]
  ) async throws -> [BenchRow] {
    var result: [BenchRow] = []
    for dtype in dtype.isEmpty ? [.f16] : dtype {
      let path = try ModelSource(model).folder(dtype: dtype.elementType, quiet: output.quiet).path
      let checkpoint = try ModelFolder.checkpoint(path)
      try requireMinimumSizes(checkpoint.configuration)
      for var row in try await rows(path, checkpoint) {
        row.model = checkpoint.name
        row.dtype = checkpoint.elementType.rawValue
        result.append(row)
      }
    }
    return result
  }

  /// - Throws: `CommandFailure` (wrong input) for a model that the prompts do not fit.
  private func requireMinimumSizes(_ configuration: BloomConfiguration) throws {
    guard configuration.vocabularySize >= 32, configuration.sequenceLength >= 256 else {
      throw CommandFailure.wrongInput(
        "the model has \(configuration.vocabularySize) token ids and \(configuration.sequenceLength)"
          + " positions; what is measured needs 32 and 256")
    }
    let most = configuration.sequenceLength - InferenceBench.maxNewTokens
    if let context, context > most {
      throw CommandFailure.wrongInput(
        "--context \(context): the model's \(configuration.sequenceLength) positions leave \(most)")
    }
  }

  /// With several types, of weights or caches, the first is what the others' logits are compared with.
  private func inferenceRows() async throws -> [BenchRow] {
    var reference: AccuracyBench?
    return try await forEachModel { path, checkpoint in
      if let beside { return try await besideRows(beside.kinds, path, checkpoint) }
      var result: [BenchRow] = []
      for cacheType in cache.isEmpty ? [.f32] : cache {
        var rows = try await InferenceBench(
          path: path, cacheType: cacheType, runs: runs, context: context
        ).rows()
        if dtype.count > 1 || cache.count > 1 {
          let accuracy = try await AccuracyBench(checkpoint, cacheType)
          if let reference { rows += accuracy.rows(against: reference) }
          reference = reference ?? accuracy
        }
        for index in rows.indices { rows[index].cache = cacheType }
        result += rows
      }
      return result
    }
  }

  /// Figures of the other programs, and ours in the same rounds.
  private func besideRows(
    _ kinds: [ComparedKind], _ path: String, _ checkpoint: Checkpoint
  ) async throws -> [BenchRow] {
    let model = ComparedModel(path: path, type: checkpoint.elementType)
    let able = kinds.filter { $0.computes(model.type) }
    for kind in kinds where !able.contains(kind) {
      output.note("\(kind.rawValue) has no products with \(model.type.rawValue): left out")
    }
    return try await ComparedProgram.with(able[...], model, python: python) { [runs] programs in
      try await ComparisonBench(checkpoint: checkpoint, runs: runs, programs: programs).rows()
    }
  }

  private func measure(_ subject: Subject) async throws -> [BenchRow] {
    switch subject {
    case .inference: return try await inferenceRows()
    case .nodes:
      return try await forEachModel { path, _ in
        try await NodeBench(path: path, runs: runs).rows()
          + HandOverBench(path: path, runs: runs).rows()
          + RecoveryBench(path: path, runs: runs).rows()
      }
    case .chain: return try await ChainBench(runs: runs).rows()
    case .oracle:
      return try await OracleBench(runs: runs, peer: oraclePeer.flatMap { URL(string: $0) }).rows()
    case .fixtures: return try await FixtureBench(runs: runs).rows()
    case .networks: return try await NetworkBench(runs: runs).rows()
    case .services: return try await ServiceBench(runs: runs).rows()
    case .evm: return try await EVMBench(runs: runs).rows()
    }
  }
}

/// How long the rest of several measurements takes, by those that are done.
private struct BenchPace {
  private let count: Int
  private let start = ContinuousClock.now

  init(_ count: Int) { self.count = count }

  /// `, about 40 s left` with a comma before it; nothing before the first is done.
  func timeLeft(after done: Int) -> String {
    let passed = ContinuousClock.now - start
    let text = TimeLeft.text(done: Double(done) / Double(count), passed: passed)
    return text.map { ", about \($0)" } ?? ""
  }
}
