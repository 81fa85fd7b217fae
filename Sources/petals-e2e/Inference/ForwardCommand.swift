import ArgumentParser
import Bloom
import Foundation
import JSONValues
import PetalsNode

/// `forward`: hidden states through blocks, as numbers in a file.
struct ForwardCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "forward",
    abstract: "Send tokens or hidden states through blocks and write what comes out.",
    discussion: """
      The output holds hidden_states [tokens, hidden], the last block's output before ln_f; logits
      [tokens, vocab] when the last block is included; embeddings with --token-ids; grad_input
      with --grad-output. All are F32.

      EXAMPLE
        petals-e2e forward --model model --token-ids 1,2,3 --output out.safetensors
        petals-e2e forward --model model --blocks 12-23 --input in.safetensors \\
          --output out.safetensors
      """)

  @Option(help: "The model's folder.")
  var model: String

  @Option(within: .blocks, help: "The blocks to go through, first-last; all when not given.")
  var blocks: BlockRangeArgument?

  @Option(
    within: .tokenIDs, name: .customLong("token-ids"),
    help: "The token ids to begin with, with commas between them.")
  var tokenIDs: TokenIDs?

  @Option(help: "A safetensors file with hidden_states: the input of the first of the blocks.")
  var input: String?

  @Option(name: .customLong("output"), help: "The safetensors file to write.")
  var outputFile: String

  @Option(help: "A safetensors file with grad_output: adds grad_input to the output.")
  var gradOutput: String?

  @OptionGroup var peers: PeerOptions
  @OptionGroup var output: OutputOptions

  func validate() throws {
    guard (tokenIDs == nil) != (input == nil) else {
      throw ValidationError("give either --token-ids or --input")
    }
  }

  func run() async throws {
    let checkpoint = try ModelFolder.checkpoint(model)
    try requireOutputFile()
    let blockCount = checkpoint.configuration.blockCount
    let range = try blocks?.range(of: blockCount) ?? BlockRange(all: blockCount)
    let states = try firstStates(checkpoint, range)
    let gradient = try gradOutput.map { try Self.read("grad_output", from: $0) }
    try requireShapes(checkpoint, states, gradient)

    var results = TensorFile()
    if tokenIDs != nil { results.add("embeddings", states) }
    if let addresses = peers.addresses {
      try await CommandFailure.mappingPeerErrors {
        try await withGRPCTransports(addresses, limits: peers.limits) { transports in
          let route = try await BlockRoute(transports, for: checkpoint, range)
          try await pass(states, gradient, through: route, into: &results)
        }
      }
    } else {
      let shard = try CommandFailure.checkingInput { try Shard(checkpoint, blocks: range) }
      try await pass(states, gradient, through: shard, into: &results)
    }
    if range.upperBound == blockCount, let last = results.states("hidden_states") {
      results.add("logits", try await LanguageModelHead(checkpoint).logits(last))
    }
    try results.requireFinite()
    try results.write(to: outputFile)
    output.result(
      ["output": .string(outputFile), "tensors": .array(results.names.map { .string($0) })],
      text: "\(outputFile): \(results.names.joined(separator: ", "))")
  }

  /// Refuses a place that holds something else than an earlier output, before anything is computed.
  private func requireOutputFile() throws {
    let folder = URL(filePath: model, directoryHint: .isDirectory).resolvingSymlinksInPath()
    let place = URL(filePath: outputFile).resolvingSymlinksInPath()
    guard FileManager.default.fileExists(atPath: place.path) else { return }
    guard place.deletingLastPathComponent().path != folder.path else {
      throw CommandFailure.wrongInput(
        "--output \(outputFile) is a file of the model's folder; name another file")
    }
    do {
      _ = try Safetensors(place)
    } catch {
      throw CommandFailure.wrongInput(
        "--output \(outputFile) is there already and holds no tensors; name another file")
    }
  }

  private func pass(
    _ states: HiddenStates, _ gradient: HiddenStates?, through blocks: some BlockPass,
    into results: inout TensorFile
  ) async throws {
    results.add("hidden_states", try await blocks.forward(states))
    if let gradient {
      results.add(
        "grad_input", try await blocks.backward(input: states, outputGradient: gradient))
    }
  }

  private func firstStates(_ checkpoint: Checkpoint, _ range: BlockRange) throws -> HiddenStates {
    if let input { return try Self.read("hidden_states", from: input) }
    guard range.lowerBound == 0 else {
      throw CommandFailure.wrongInput(
        "--token-ids begin at block 0, but --blocks at \(range.lowerBound); give --input")
    }
    let tokens = tokenIDs?.values ?? []
    return try CommandFailure.checkingInput { try Embedding(checkpoint)(tokens) }
  }

  private func requireShapes(
    _ checkpoint: Checkpoint, _ states: HiddenStates, _ gradient: HiddenStates?
  ) throws {
    let configuration = checkpoint.configuration
    guard states.hidden == configuration.hiddenSize else {
      throw CommandFailure.wrongInput(
        "\(input ?? "input"): hidden_states has \(states.hidden) numbers a token, the model "
          + "\(configuration.hiddenSize)")
    }
    guard states.tokens <= configuration.sequenceLength else {
      throw CommandFailure.wrongInput(
        "\(states.tokens) tokens are more than the \(configuration.sequenceLength) of the model")
    }
    guard let gradient, let gradOutput else { return }
    guard gradient.tokens == states.tokens, gradient.hidden == states.hidden else {
      throw CommandFailure.wrongInput(
        "\(gradOutput): grad_output is [\(gradient.tokens), \(gradient.hidden)], expected "
          + "[\(states.tokens), \(states.hidden)]")
    }
  }

  private static func read(_ name: String, from path: String) throws -> HiddenStates {
    try CommandFailure.checkingInput { try Safetensors(URL(filePath: path)).hiddenStates(name) }
  }
}

/// Named F32 matrices that are written to a safetensors file.
struct TensorFile {
  private var tensors: [(name: String, shape: [Int], values: [Float])] = []

  var names: [String] { tensors.map(\.name) }

  mutating func add(_ name: String, _ states: HiddenStates) {
    tensors.append((name, [states.tokens, states.hidden], states.values))
  }

  mutating func add(_ name: String, _ logits: Logits) {
    tensors.append((name, [logits.tokens, logits.vocabularySize], logits.values))
  }

  /// The matrix of this name as hidden states; nil when there is none.
  func states(_ name: String) -> HiddenStates? {
    guard let tensor = tensors.first(where: { $0.name == name }) else { return nil }
    do {
      return try HiddenStates(
        tokens: tensor.shape[0], hidden: tensor.shape[1], values: tensor.values)
    } catch {
      preconditionFailure("what came from hidden states goes back: \(error)")
    }
  }

  /// Requires finite numbers, as nodes do of each other.
  /// - Throws: `CommandFailure` (failed) that names the tensor and the token.
  func requireFinite() throws {
    for tensor in tensors {
      guard let index = tensor.values.firstIndex(where: { !$0.isFinite }) else { continue }
      throw CommandFailure.failed(
        "\(tensor.name) of token \(index / tensor.shape[1]) are not all finite: element "
          + "\(index % tensor.shape[1]) is \(tensor.values[index]); the model's weights or the input "
          + "are at fault")
    }
  }

  /// - Throws: `CommandFailure` (wrong input) when the file cannot be written.
  func write(to path: String) throws {
    try CommandFailure.checkingInput {
      try SafetensorsWriter.write(tensors, to: URL(filePath: path))
    }
  }
}
