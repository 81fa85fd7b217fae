import ArgumentParser
import Bloom

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
