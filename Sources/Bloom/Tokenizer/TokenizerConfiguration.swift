import Foundation
import JSONValues
import TextKeys

/// What `tokenizer_config.json` says about the ids of a text.
///
/// tokenizers does not read it; transformers does, and lets it win over `tokenizer.json`. Where the
/// two contradict each other there is no right id: the folder is refused by the field's name.
struct TokenizerConfiguration {
  private let path: String
  private let root: JSON

  /// Nil for a folder without the file.
  init?(directory: URL) throws {
    let url = directory.appending(path: "tokenizer_config.json")
    path = url.path(percentEncoded: false)
    let file: MappedFile
    do {
      file = try MappedFile(url)
    } catch {
      if case .missingFile = error { return nil }
      throw error
    }
    do {
      root = try JSON.parse(file.bytes, dialect: .python)
    } catch {
      throw TokenizerError.malformed(path: path, reason: error.detail)
    }
  }

  func check(against file: TokenizerFile) throws {
    if let asked = root["add_prefix_space"]?.boolValue, asked != file.preTokenizer.addsPrefixSpace {
      throw TokenizerError.unsupported(
        path: path, field: "add_prefix_space",
        expected: "\(!asked), as in tokenizer.json", found: "\(asked)")
    }
    for member in root["added_tokens_decoder"]?.objectValue?.members ?? [] {
      let (id, token) = (member.key, member.value)
      guard let content = token["content"]?.stringValue else { continue }
      let known =
        file.addedTokens.first { $0.content.isExactly(content) }?.id
        ?? file.vocabulary.id(of: Array(content.utf8)[...])
      guard let known, Int32(id) == known else {
        throw TokenizerError.unsupported(
          path: path, field: "added_tokens_decoder.\(id)",
          expected: known.map { "\(content) as \($0), as in tokenizer.json" }
            ?? "a token of tokenizer.json", found: content)
      }
    }
  }
}
