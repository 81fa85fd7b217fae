import ArgumentParser
import AsyncPrimitives
import Bloom
import Foundation
import PlumiseWire
import SystemErrors

/// What the generations of a load ask for, on the command line.
struct GenerationLoadOptions: ParsableArguments {
  @Option(
    help: """
      For nodes and gateways: a file of prompts, one a line, which are sent in their order, over \
      and over. A line of JSON may hold more: {"prompt":…,"max_tokens":…}.
      """,
    completion: .file())
  var prompts: String?

  @Option(
    within: .promptTokens,
    help: "For nodes and gateways: made prompts, and how long each is, in tokens.")
  var promptTokens: LengthDistribution?

  @Option(
    within: .newTokens, help: "For nodes and gateways: how many tokens each generation makes.")
  var tokens = LengthDistribution.constant(8)

  @Option(
    help: """
      A model's folder, whose tokenizer measures prompts; without one, a token is an ASCII \
      character, as for the models that are synthesized here.
      """,
    completion: .directory)
  var tokenizer: String?

  @Flag(
    help: "For nodes and gateways: have tokens streamed, so that ttft, tpot and itl are measured.")
  var stream = false

  func validate() throws {
    if prompts != nil, promptTokens != nil {
      throw ValidationError("--prompts has the prompts that --prompt-tokens would make: give one")
    }
    if tokenizer != nil, promptTokens == nil {
      throw ValidationError("--tokenizer measures the prompts of --prompt-tokens: give both")
    }
  }

  /// The report's description.
  var json: JSON {
    [
      "tokens": .string(tokens.spelling),
      "prompt_tokens": promptTokens.map { .string($0.spelling) } ?? .null,
      "prompts": prompts.map { .string($0) } ?? .null, "stream": .bool(stream),
    ]
  }
}

/// The prompts and the lengths of a load's generations; each index has its own, the same for the
/// same seed.
struct PromptSource: Sendable {
  /// What one generation asks for.
  struct Ask: Sendable {
    let prompt: String
    /// The length that was drawn for the prompt; nil where it was not made.
    var promptTokens: Int?
    let newTokens: Int
  }

  private enum Prompts: Sendable {
    case numbered
    case listed([Line])
    case made(LengthDistribution, Tokenizer?)
  }

  /// A line of a file of prompts.
  private struct Line: Sendable {
    let prompt: String
    var newTokens: Int?
  }

  private let prompts: Prompts
  private let newTokens: LengthDistribution
  private let seed: UInt64

  /// - Throws: `CommandFailure` (wrong input) for a file of prompts or a tokenizer that cannot be
  ///   used.
  init(_ options: GenerationLoadOptions, seed: UInt64) throws {
    newTokens = options.tokens
    self.seed = seed
    if let path = options.prompts {
      prompts = .listed(try Self.lines(of: path))
    } else if let lengths = options.promptTokens {
      prompts = .made(lengths, try options.tokenizer.map(Self.tokenizer))
    } else {
      prompts = .numbered
    }
  }

  /// The prompt and the length of the generation of an index.
  func ask(_ index: Int) -> Ask {
    // The generator mixes its state well: neighbouring seeds have nothing in common.
    var chance = SeededGenerator(seed: seed &+ UInt64(bitPattern: Int64(index)) &* 0x9e37_79b9)
    let length = newTokens.draw(&chance)
    switch prompts {
    case .numbered:
      return Ask(prompt: "Explain quantum computing, part \(index + 1)", newTokens: length)
    case .listed(let lines):
      let line = lines[index % lines.count]
      return Ask(prompt: line.prompt, newTokens: line.newTokens ?? length)
    case .made(let lengths, let tokenizer):
      let count = lengths.draw(&chance)
      return Ask(
        prompt: Self.text(of: count, tokenizer, &chance), promptTokens: count, newTokens: length)
    }
  }

  /// A text of so many tokens: random words, cut between two tokens.
  ///
  /// The tokens that the tokenizer puts around a text count; at least one is the text's own.
  private static func text(
    of count: Int, _ tokenizer: Tokenizer?, _ chance: inout SeededGenerator
  ) -> String {
    var text = ""
    // No tokenizer joins more letters than a word has: eight of them a token are enough.
    while text.utf8.count < count * (tokenizer == nil ? 1 : 8) {
      let length = 2 + Int(chance.unit() * 7)
      for _ in 0..<length {
        text.unicodeScalars.append(Unicode.Scalar(UInt8(ascii: "a") + UInt8(chance.unit() * 26)))
      }
      text.append(" ")
    }
    guard let tokenizer else { return String(text.prefix(count)) }
    let (around, whole) = (tokenizer.encode(""), tokenizer.encode(text))
    let front = zip(around, whole).prefix { $0 == $1 }.count
    let own = whole.dropFirst(front).dropLast(around.count - front)
    var length = max(1, count - around.count)
    // A cut may lie where the tokenizer would join what remains; then a token less or more is made.
    for _ in 0..<8 {
      let cut = tokenizer.decode(Array(own.prefix(length)))
      let found = tokenizer.encode(cut).count
      if found == count || length + count <= found { return cut }
      length += count - found
    }
    return tokenizer.decode(Array(own.prefix(length)))
  }

  private static func tokenizer(_ path: String) throws -> Tokenizer {
    try CommandFailure.checkingInput {
      try Tokenizer(directory: URL(filePath: path, directoryHint: .isDirectory))
    }
  }

  private static func lines(of path: String) throws -> [Line] {
    let text: String
    do {
      text = try String(contentsOfFile: path, encoding: .utf8)
    } catch {
      throw CommandFailure.wrongInput("cannot read --prompts \(path): \(error.systemReason)")
    }
    let lines = try text.split(whereSeparator: \.isNewline).enumerated().map { number, line in
      guard line.hasPrefix("{") else { return Line(prompt: String(line)) }
      // A prompt may begin with a brace; only JSON with a prompt is read as such.
      guard let json = try? JSON.parse(String(line)), let prompt = json["prompt"]?.stringValue
      else { return Line(prompt: String(line)) }
      guard let count = json["max_tokens"], count != .null else { return Line(prompt: prompt) }
      guard let length = count.integerValue.map(Int.init),
        LengthDistribution.bounds.contains(length)
      else {
        throw CommandFailure.wrongInput(
          "--prompts \(path), line \(number + 1): max_tokens is a whole number from 1 to "
            + "\(LengthDistribution.bounds.upperBound)")
      }
      return Line(prompt: prompt, newTokens: length)
    }
    guard !lines.isEmpty else {
      throw CommandFailure.wrongInput("--prompts \(path) has no line with a prompt")
    }
    return lines
  }
}
