import ArgumentParser
import Bloom
import PlumiseWire

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
          + (row.value.stringValue ?? row.value.text)
      }.joined(separator: "\n"))
  }

  private func facts(_ report: CheckpointReport) -> [(name: String, value: JSON)] {
    let configuration = report.configuration
    return [
      ("name", .string(report.name)),
      ("dtype", .string(report.elementType.rawValue)),
      ("hidden_size", .integer(configuration.hiddenSize)),
      ("n_head", .integer(configuration.headCount)),
      ("n_layer", .integer(configuration.layerCount)),
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
