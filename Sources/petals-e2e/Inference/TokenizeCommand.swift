import ArgumentParser
import Bloom

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
