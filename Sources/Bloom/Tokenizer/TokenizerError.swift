/// Why a `tokenizer.json` or the `tokenizer_config.json` beside it cannot be used.
public enum TokenizerError: Error, Hashable, Sendable, CustomStringConvertible {
  case missingFile(path: String)
  case malformed(path: String, reason: String)
  /// A setting that this byte-level BPE tokenizer does not have.
  case unsupported(path: String, field: String, expected: String, found: String)
  case duplicateToken(path: String, token: String)
  /// A merge that speaks of a token the vocabulary has not.
  case unknownMerge(path: String, index: Int, token: String)

  /// One line that says what is wrong.
  public var description: String {
    switch self {
    case .missingFile(let path):
      "\(path): no such file; this checkpoint has no tokenizer, use token ids"
    case .malformed(let path, let reason):
      "\(path): \(reason)"
    case .unsupported(let path, let field, let expected, let found):
      "\(path): \(field): expected \(expected), found \(found)"
    case .duplicateToken(let path, let token):
      "\(path): token \"\(token)\" is there twice, or its id is"
    case .unknownMerge(let path, let index, let token):
      "\(path): merge \(index): \"\(token)\" is not in the vocabulary"
    }
  }
}
