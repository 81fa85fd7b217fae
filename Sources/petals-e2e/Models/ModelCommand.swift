import ArgumentParser

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
