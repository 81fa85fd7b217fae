import ArgumentParser
import Bloom
import Foundation

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

  @Option(help: "How weights are stored: f32, f16, bf16 or q8 (8-bit integers with scales).")
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

  var elementType: ElementType {
    switch self {
    case .f32: .f32
    case .f16: .f16
    case .bf16: .bf16
    case .q8: .q8
    }
  }
}
