import ArgumentParser
import Bloom
import PetalsNode
import PlumiseWire
import Synchronization

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

  @Option(within: .maxNewTokens, help: "Generate at most so many tokens.")
  var maxNewTokens = 20

  @OptionGroup var prompt: PromptOptions
  @OptionGroup var sampling: SamplingOptions
  @OptionGroup var draft: DraftOptions
  @OptionGroup var cache: CacheOptions
  @OptionGroup var peers: PeerOptions
  @OptionGroup var swarm: SwarmClientOptions
  @OptionGroup var output: OutputOptions

  func validate() throws {
    guard peers.peers == nil || swarm.swarm == nil else {
      throw ValidationError("give either --peers or --swarm")
    }
    if cache.type != .f32, draft.draft == nil, peers.peers != nil || swarm.swarm != nil {
      throw ValidationError(
        "--cache is for caches of this process, and the nodes have theirs: give it to `node`")
    }
  }

  func run() async throws {
    let checkpoint = try ModelFolder.checkpoint(model)
    let tokenizer = try ModelFolder.tokenizer(of: checkpoint)
    let request = Bloom.GenerationRequest(
      prompt: try prompt.tokens(tokenizer, model: model), maxNewTokens: maxNewTokens,
      sampling: try sampling.parameters(), seed: sampling.seed)
    try CommandFailure.checkingInput { try request.validate(checkpoint.configuration) }
    let draft = try draft.model(for: checkpoint, cacheType: cache.type)

    let printer = TokenPrinter(tokenizer, isSilent: output.json)
    let generated =
      if let addresses = peers.addresses {
        try await RemoteGeneration.run(
          request, text: prompt.prompt, checkpoint, tokenizer, draft: draft, peers: addresses,
          limits: peers.limits, onToken: printer.print)
      } else if let members = swarm.swarm {
        try await SwarmGeneration.run(
          request, text: prompt.prompt, checkpoint, tokenizer, swarm, swarm: members.addresses,
          draft: draft, onToken: printer.print)
      } else {
        try await LocalGeneration.run(
          request, checkpoint, tokenizer, cacheType: cache.type, draft: draft,
          onToken: printer.print)
      }
    printer.finish()
    if output.json {
      output.result(generated.json, text: "")
    } else if !output.quiet {
      StandardStream.error.write(line: generated.summary)
    }
  }
}

/// What to continue: a text, or token ids.
struct PromptOptions: ParsableArguments {
  @Option(help: "The text to continue; the model needs a tokenizer.json.")
  var prompt: String?

  @Option(
    within: .tokenIDs, name: .customLong("token-ids"),
    help: "The token ids to continue, with commas between them.")
  var tokenIDs: TokenIDs?

  func validate() throws {
    guard (prompt == nil) != (tokenIDs == nil) else {
      throw ValidationError("give either --prompt or --token-ids")
    }
  }

  /// The prompt's token ids.
  /// - Throws: `CommandFailure` (wrong input) for a text without a tokenizer.
  func tokens(_ tokenizer: Tokenizer?, model: String) throws -> [Int32] {
    if let tokenIDs { return tokenIDs.values }
    guard let tokenizer else {
      throw CommandFailure.wrongInput(
        "model \(model) has no tokenizer.json, which --prompt needs; give --token-ids")
    }
    return tokenizer.encode(prompt ?? "")
  }
}

/// How tokens are chosen; the defaults take the likeliest one.
struct SamplingOptions: ParsableArguments {
  // The limits are those of `SamplingParameters`.
  @Option(
    within: RealNumbers("a temperature", 0...100),
    help: "0 takes the likeliest token; above, tokens are drawn.")
  var temperature: Float = 0

  @Option(
    within: RealNumbers("a probability", above: 0, upTo: 1),
    help: "Draw among the likeliest tokens that together have this probability.")
  var topP: Float = 1

  @Option(
    within: RealNumbers("a repetition penalty", above: 0, upTo: 100),
    help: "Above 1 makes tokens that occurred less likely.")
  var repetitionPenalty: Float = 1

  @Option(within: .seed, help: "Where chance begins; the same seed gives the same tokens.")
  var seed: UInt64 = 0

  func parameters() throws -> SamplingParameters {
    try CommandFailure.checkingInput {
      try SamplingParameters(
        temperature: temperature, topP: topP, repetitionPenalty: repetitionPenalty)
    }
  }
}

/// Prints tokens as they come: as text where there is a tokenizer, else as ids.
final class TokenPrinter: Sendable {
  private struct State {
    var text: TextStream?
    var isFirst = true
  }

  private let state: Mutex<State>
  private let isSilent: Bool

  /// - Parameter isSilent: prints nothing, for results that are printed as a whole.
  init(_ tokenizer: Tokenizer?, isSilent: Bool) {
    state = Mutex(State(text: tokenizer.map { TextStream($0) }))
    self.isSilent = isSilent
  }

  /// Prints the text that is complete after one more token.
  func print(_ id: Int32) {
    if isSilent { return }
    state.withLock { state in
      let separator = state.isFirst ? "" : ","
      let words = state.text?.append(id) ?? "\(separator)\(id)"
      state.isFirst = false
      if !words.isEmpty { StandardStream.output.write(foreign: words) }
    }
  }

  /// Prints what was held back, and ends the line.
  func finish() {
    if isSilent { return }
    StandardStream.output.write(foreign: state.withLock { $0.text?.finish() ?? "" } + "\n")
  }
}
