import ArgumentParser
import Bloom
import PlumiseWire

/// `tokenize`: text to token ids, or back.
struct TokenizeCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tokenize",
    abstract: "Turn a text into token ids, or ids into text.",
    discussion: """
      EXAMPLE
        petals-e2e tokenize --model model --text 'Explain quantum computing'
        petals-e2e tokenize --model model --ids 72,101,108
      """)

  @Option(help: "The model's folder.")
  var model: String

  @Option(help: "The text to encode.")
  var text: String?

  @Option(within: .tokenIDs, help: "The token ids to decode, with commas between them.")
  var ids: TokenIDs?

  @OptionGroup var output: OutputOptions

  func validate() throws {
    guard (text == nil) != (ids == nil) else {
      throw ValidationError("give either --text or --ids")
    }
  }

  func run() async throws {
    let checkpoint = try ModelFolder.checkpoint(model)
    guard let tokenizer = try ModelFolder.tokenizer(of: checkpoint) else {
      throw CommandFailure.wrongInput("model \(model) has no tokenizer.json")
    }
    let tokens = text.map(tokenizer.encode) ?? ids?.values ?? []
    let vocabulary = checkpoint.configuration.vocabularySize
    if let id = tokens.first(where: { !(0..<vocabulary).contains(Int($0)) }) {
      throw CommandFailure.wrongInput(
        "token id \(id) is outside the vocabulary of \(vocabulary); give ids from 0 to "
          + "\(vocabulary - 1)")
    }
    let words = text ?? tokenizer.decode(tokens)
    output.result(
      ["ids": .tokens(tokens), "text": .string(words)],
      text: text == nil ? words : tokens.map(String.init).joined(separator: ","))
  }
}

/// Token ids as the command line spells them: `1,2,3`.
package struct TokenIDs: Hashable, Sendable {
  let values: [Int32]
}

/// Lists of token ids; whether the model has them is found out when it is open.
package struct TokenIDLists: OptionLimits {
  package init() {}

  package var limits: String { "" }
  package var expectation: String {
    "token ids are whole numbers from 0 to \(Int32.max) with commas between them"
  }

  package func value(_ text: String) -> TokenIDs? {
    let parts = text.split(separator: ",", omittingEmptySubsequences: false)
    let ids = parts.compactMap { Int32($0) }
    guard ids.count == parts.count, ids.allSatisfy({ $0 >= 0 }) else { return nil }
    return TokenIDs(values: ids)
  }
}

extension OptionLimits where Self == TokenIDLists {
  static var tokenIDs: Self { TokenIDLists() }
}

extension JSON {
  /// Token ids, in order.
  static func tokens(_ ids: [Int32]) -> JSON { .array(ids.map { .integer(Int($0)) }) }
}
