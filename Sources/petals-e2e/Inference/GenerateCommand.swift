import ArgumentParser
import Bloom
import PetalsNode
import PlumiseWire

/// `generate`: continues a prompt, through nodes or in this process.
struct GenerateCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "generate",
    abstract: "Continue a prompt, through the peers or in this process when none are named.",
    discussion: """
      EXAMPLE
        petals-e2e generate --model model --prompt 'Explain quantum computing' \\
          --peers 127.0.0.1:31330,127.0.0.1:31331 --max-new-tokens 100
      """)

  @Option(help: "The model's folder; nodes and this process need the same.")
  var model: String

  @Option(within: .newTokens, help: "Generate at most so many tokens.")
  var maxNewTokens = 20

  @OptionGroup var prompt: PromptOptions
  @OptionGroup var sampling: SamplingOptions
  @OptionGroup var peers: PeerOptions
  @OptionGroup var output: OutputOptions

  func run() async throws {
    let checkpoint = try ModelFolder.checkpoint(model)
    let tokenizer = try ModelFolder.tokenizer(of: checkpoint)
    let request = Bloom.GenerationRequest(
      prompt: try prompt.tokens(tokenizer, model: model), maxNewTokens: maxNewTokens,
      sampling: try sampling.parameters(), seed: sampling.seed)
    try CommandFailure.checkingInput { try request.validate(checkpoint.configuration) }

    let printer = TokenPrinter(tokenizer, isSilent: output.json)
    let generated =
      if let addresses = peers.addresses {
        try await RemoteGeneration.run(
          request, text: prompt.prompt, checkpoint, tokenizer, peers: addresses,
          limits: peers.limits, onToken: printer.print)
      } else {
        try await LocalGeneration.run(request, checkpoint, tokenizer, onToken: printer.print)
      }
    printer.finish()
    if output.json {
      output.result(generated.json, text: "")
    } else if !output.quiet {
      StandardStream.error.write(line: generated.summary)
    }
  }
}
