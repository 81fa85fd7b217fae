import JSONValues

/// What a tokenizer's file does with the ids of a whole text: it cuts them to a length, and puts
/// tokens around them.
struct PostProcessor: Sendable {
  struct Truncation: Hashable, Sendable {
    /// Tokens in all, those that are put around the text included.
    let length: Int
    /// Whether the beginning goes instead of the end.
    let isLeft: Bool
  }

  /// A part of a template: the ids so far, or tokens of its own.
  enum Piece: Hashable, Sendable {
    case text
    case tokens([Int32])
  }

  var truncation: Truncation?
  /// One after the other; each puts its tokens around what the one before made.
  var templates: [[Piece]] = []

  /// How many tokens the templates add.
  var addedCount: Int {
    templates.joined().reduce(0) { count, piece in
      if case .tokens(let ids) = piece { count + ids.count } else { count }
    }
  }

  func applied(to ids: [Int32]) -> [Int32] {
    var ids = ids
    if let truncation {
      let room = truncation.length - addedCount
      if ids.count > room { ids = Array(truncation.isLeft ? ids.suffix(room) : ids.prefix(room)) }
    }
    return templates.reduce(ids) { ids, template in
      template.flatMap { piece in
        if case .tokens(let own) = piece { own } else { ids }
      }
    }
  }
}

extension TokenizerFile {
  mutating func readPostProcessor(_ node: JSON) throws {
    guard node != .null else { return }
    for part in try flattened(node, "post_processor", members: "processors") {
      switch part["type"]?.stringValue {
      // It moves offsets, of which there are none here.
      case "ByteLevel": break
      case "TemplateProcessing": postProcessor.templates.append(try template(part))
      case "BertProcessing", "RobertaProcessing":
        postProcessor.templates.append([
          .tokens([try pairID(part, "cls")]), .text, .tokens([try pairID(part, "sep")]),
        ])
      default:
        throw unsupported(
          "post_processor.type",
          "ByteLevel, TemplateProcessing, BertProcessing or RobertaProcessing",
          part["type"] ?? part)
      }
    }
  }

  /// `single`, the template of one text; a pair of texts is nothing that is asked for here.
  private func template(_ part: JSON) throws -> [PostProcessor.Piece] {
    guard let pieces = part["single"]?.arrayValue else {
      throw unsupported("post_processor.single", "an array of pieces", part["single"])
    }
    return try pieces.map { piece in
      if let sequence = piece["Sequence"] {
        guard sequence["id"]?.stringValue == "A" else {
          throw unsupported("post_processor.single", "sequence A only", sequence["id"])
        }
        return .text
      }
      guard let name = piece["SpecialToken"]?["id"]?.stringValue,
        let ids = part["special_tokens"]?[name]?["ids"]?.arrayValue
      else {
        throw unsupported(
          "post_processor.single", "sequences, and tokens of special_tokens", piece)
      }
      return .tokens(try ids.map { try tokenID($0, "post_processor.special_tokens.\(name)") })
    }
  }

  private func pairID(_ part: JSON, _ field: String) throws -> Int32 {
    guard let pair = part[field]?.arrayValue, pair.count == 2 else {
      throw unsupported("post_processor.\(field)", "a token and its id", part[field])
    }
    return try tokenID(pair[1], "post_processor.\(field)")
  }

  private func tokenID(_ node: JSON, _ field: String) throws -> Int32 {
    guard let value = node.integerValue, let id = Int32(exactly: value), id >= 0 else {
      throw unsupported(field, "a token id", node)
    }
    return id
  }

  mutating func readTruncation(_ node: JSON) throws {
    guard node != .null else { return }
    let added = postProcessor.addedCount
    guard let length = node["max_length"]?.intValue, length >= added else {
      throw unsupported(
        "truncation.max_length",
        "a number of tokens, at least the \(added) that post_processor adds",
        node["max_length"])
    }
    let direction = node["direction"]?.stringValue ?? (node["direction"] == nil ? "Right" : "")
    guard direction == "Right" || direction == "Left" else {
      throw unsupported("truncation.direction", "Right or Left", node["direction"])
    }
    // OnlySecond cuts the second text of a pair, and there is no second.
    guard ["LongestFirst", "OnlyFirst"].contains(node["strategy"]?.stringValue) else {
      throw unsupported("truncation.strategy", "LongestFirst or OnlyFirst", node["strategy"])
    }
    let room = length - added
    guard let stride = node["stride"]?.intValue, stride >= 0, room == 0 || stride < room else {
      throw unsupported("truncation.stride", "less than the \(room) tokens left", node["stride"])
    }
    postProcessor.truncation = PostProcessor.Truncation(length: length, isLeft: direction == "Left")
  }

  /// Padding that adds nothing to a single text is taken; what would add tokens is refused, since
  /// the model has no mask that would hide them.
  func readPadding(_ node: JSON) throws {
    guard node != .null else { return }
    guard node["strategy"]?.stringValue == "BatchLongest" else {
      throw unsupported("padding.strategy", "BatchLongest", node["strategy"])
    }
    let multiple = node["pad_to_multiple_of"] ?? .null
    guard multiple == .null || [0, 1].contains(multiple.integerValue) else {
      throw unsupported("padding.pad_to_multiple_of", "null", multiple)
    }
  }
}
