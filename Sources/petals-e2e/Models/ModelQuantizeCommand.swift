import ArgumentParser
import Bloom
import Foundation
import PlumiseWire

/// `model quantize`: a copy of a checkpoint with 8-bit weights.
struct ModelQuantizeCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "quantize",
    abstract: "Write a copy of a checkpoint with 8-bit weights.",
    discussion: """
      Matrices become integers; 64 neighbours in a row share a scale. A node of
      such a model takes about half the memory of one in float16.

      EXAMPLE
        petals-e2e model quantize bloom-560m --out bloom-560m-q8
      """)

  @Argument(help: "The checkpoint's folder.")
  var directory: String

  @Option(help: "The folder to write; it must be empty or not exist.")
  var out: String

  @OptionGroup var output: OutputOptions

  func run() async throws {
    let source = try ModelFolder.checkpoint(directory)
    let folder = URL(filePath: out, directoryHint: .isDirectory)
    let bar = ProgressBar("quantizing \(source.name)", quiet: output.quiet)
    defer { bar.finish() }
    try await ModelFolder.write(to: out) {
      try ModelQuantizer.quantize(source, into: folder) { bar.update($0.fraction) }
    }
    bar.finish()
    let checkpoint = try ModelFolder.checkpoint(out)
    output.result(
      ["directory": .string(out), "fingerprint": .string(checkpoint.fingerprint)], text: out)
  }
}
