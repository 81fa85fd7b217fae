import ArgumentParser
import Bloom
import Foundation
import PlumiseWire

/// `model`: checkpoints in Hugging Face's layout.
struct ModelCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "model",
    abstract: "Make, fetch or quantize a checkpoint, or see what is in one.",
    discussion: """
      EXAMPLE
        petals-e2e model synthesize --shape tiny --out tiny-model
        petals-e2e model inspect tiny-model
      """,
    subcommands: [
      ModelSynthesizeCommand.self, ModelFetchCommand.self, ModelQuantizeCommand.self,
      ModelInspectCommand.self,
    ])
}

/// `model synthesize`: a checkpoint with seeded weights.
struct ModelSynthesizeCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "synthesize",
    abstract: "Write a checkpoint with seeded random weights and a byte-level tokenizer.",
    discussion: """
      EXAMPLE
        petals-e2e model synthesize --shape bloom-560m --out model
      """)

  @Option(help: "The sizes: \(SyntheticShape.allCases.map(\.rawValue).joined(separator: ", ")).")
  var shape: SyntheticShape

  @Option(
    help: "How weights are stored: f32, f16, bf16, q8 or q4 (8- or 4-bit integers with scales).")
  var dtype: WeightType = .f16

  @Option(within: .seed, help: "Where chance begins; the same seed gives the same bytes.")
  var seed: UInt64 = 0

  @Option(help: "The folder to write; it must be empty or not exist.")
  var out: String

  @OptionGroup var output: OutputOptions

  func run() async throws {
    let folder = URL(filePath: out, directoryHint: .isDirectory)
    if let found = try? FileManager.default.contentsOfDirectory(atPath: out), !found.isEmpty {
      throw CommandFailure.wrongInput("folder \(out) is not empty; name another with --out")
    }
    let bar = ProgressBar("synthesizing \(shape.rawValue)", quiet: output.quiet)
    defer { bar.finish() }
    try await ModelFolder.write(to: out) { [shape, dtype, seed] in
      try ModelSynthesizer.synthesize(
        shape: shape, dtype: dtype.elementType, seed: seed, into: folder,
        progress: { bar.update($0.fraction) })
    }
    bar.finish()
    let checkpoint = try ModelFolder.checkpoint(out)
    output.result(
      ["directory": .string(out), "fingerprint": .string(checkpoint.fingerprint)], text: out)
  }
}

/// The stored types, as the command spells them.
enum WeightType: String, CaseIterable, ExpressibleByArgument {
  case f32
  case f16
  case bf16
  case q8
  case q4

  var elementType: ElementType {
    switch self {
    case .f32: .f32
    case .f16: .f16
    case .bf16: .bf16
    case .q8: .q8
    case .q4: .q4
    }
  }
}

/// The stored types of quantized weights, as the command spells them.
enum QuantizedWeightType: String, CaseIterable, ExpressibleByArgument {
  case q8
  case q4

  var quantizedType: QuantizedType {
    switch self {
    case .q8: .q8
    case .q4: .q4
    }
  }
}

/// `model quantize`: a copy of a checkpoint with 8-bit or 4-bit weights.
struct ModelQuantizeCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "quantize",
    abstract: "Write a copy of a checkpoint with 8-bit or 4-bit weights.",
    discussion: """
      Matrices become integers; 64 neighbours in a row share a scale. A node of
      such a model takes about half the memory of one in float16, or a quarter
      with 4 bits, which lose much more of the weights.

      EXAMPLE
        petals-e2e model quantize bloom-560m --out bloom-560m-q8
      """)

  @Argument(help: "The checkpoint's folder.")
  var directory: String

  @Option(help: "The folder to write; it must be empty or not exist.")
  var out: String

  @Option(help: "How matrices are stored: q8 or q4.")
  var dtype: QuantizedWeightType = .q8

  @OptionGroup var output: OutputOptions

  func run() async throws {
    let source = try ModelFolder.checkpoint(directory)
    let folder = URL(filePath: out, directoryHint: .isDirectory)
    let bar = ProgressBar("quantizing \(source.name)", quiet: output.quiet)
    defer { bar.finish() }
    try await ModelFolder.write(to: out) { [dtype] in
      try ModelQuantizer.quantize(source, as: dtype.quantizedType, into: folder) {
        bar.update($0.fraction)
      }
    }
    bar.finish()
    let checkpoint = try ModelFolder.checkpoint(out)
    output.result(
      ["directory": .string(out), "fingerprint": .string(checkpoint.fingerprint)], text: out)
  }
}

/// `model inspect`: what is in a checkpoint, checked.
struct ModelInspectCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "inspect",
    abstract: "Check a checkpoint and print what is in it.",
    discussion: """
      EXAMPLE
        petals-e2e model inspect model --json
      """)

  @Argument(help: "The checkpoint's folder.")
  var directory: String

  @OptionGroup var output: OutputOptions

  func run() async throws {
    let checkpoint = try ModelFolder.checkpoint(directory)
    _ = try ModelFolder.tokenizer(of: checkpoint)
    let report = try await CommandFailure.checkingInput { try await CheckpointReport(checkpoint) }
    let rows = facts(report)
    let width = (rows.map(\.name.count).max() ?? 0) + 2
    output.result(
      .object(JSONObject(uniqueMembers: rows.map { ($0.name, $0.value) })),
      text: rows.map { row in
        row.name.padding(toLength: width, withPad: " ", startingAt: 0)
          + (row.value.stringValue ?? row.value.text).singleLine
      }.joined(separator: "\n"))
  }

  private func facts(_ report: CheckpointReport) -> [(name: String, value: JSON)] {
    let configuration = report.configuration
    return [
      ("name", .string(report.name)),
      ("dtype", .string(report.elementType.rawValue)),
      ("hidden_size", .integer(configuration.hiddenSize)),
      ("n_head", .integer(configuration.headCount)),
      ("n_layer", .integer(configuration.blockCount)),
      ("vocab_size", .integer(configuration.vocabularySize)),
      ("seq_length", .integer(configuration.sequenceLength)),
      ("apply_residual_connection_post_layernorm", .bool(configuration.residualAfterLayerNorm)),
      ("tie_word_embeddings", .bool(configuration.tiesWordEmbeddings)),
      ("eos_token_id", .tokens(configuration.eosTokenIDs)),
      ("parameters", .integer(report.parameterCount)),
      ("bytes", .integer(report.byteCount)),
      ("tensors", .integer(report.tensors.count)),
      ("tokenizer", .bool(report.hasTokenizer)),
      ("fingerprint", .string(report.fingerprint)),
    ]
  }
}
