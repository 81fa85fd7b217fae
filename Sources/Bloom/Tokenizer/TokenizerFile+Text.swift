import JSONValues

extension TokenizerFile {
  mutating func readAddedTokens(_ node: JSON) throws {
    guard node != .null else { return }
    guard let list = node.arrayValue else {
      throw unsupported("added_tokens", "an array", node)
    }
    for token in list {
      guard let value = token["id"]?.integerValue, let id = Int32(exactly: value), id >= 0,
        id < 1 << 24, let content = token["content"]?.stringValue, !content.isEmpty
      else { throw malformed("added_tokens: expected an id and a content") }
      let name = "added token \(content)"
      let spelling = Array(content.utf8)[...]
      // A token is its content: two ids for it, or two contents for an id, are a contradiction.
      if let other = vocabulary.id(of: spelling) {
        guard other == id else {
          throw unsupported("\(name): id", "\(other), as in the vocabulary", token["id"])
        }
      } else if let other = vocabulary.spelling(id) {
        throw unsupported(
          "\(name): id", "one that no other token has",
          .string("\(id) of \(String(decoding: other, as: UTF8.self))"))
      }
      if let other = addedTokens.first(where: {
        $0.id == id || $0.content.utf8.elementsEqual(content.utf8)
      }) {
        throw unsupported(
          "\(name): id", "one that no other token has",
          .string("\(other.id) of \(other.content)"))
      }
      addedTokens.append(
        AddedToken(
          id: id, content: content,
          isSingleWord: try flag(token, "single_word", in: name),
          stripsLeft: try flag(token, "lstrip", in: name),
          stripsRight: try flag(token, "rstrip", in: name),
          isNormalized: try flag(token, "normalized", in: name)))
    }
  }

  mutating func readNormalizer(_ node: JSON) throws {
    guard node != .null else { return }
    normalizer = Normalizer(
      steps: try flattened(node, "normalizer", members: "normalizers").map { part in
        switch part["type"]?.stringValue {
        case "NFC": .nfc
        case "NFD": .nfd
        case "NFKC": .nfkc
        case "NFKD": .nfkd
        case "Lowercase": .lowercase
        case "StripAccents": .stripAccents
        case "Strip":
          .strip(
            left: try flag(part, "strip_left", in: "normalizer"),
            right: try flag(part, "strip_right", in: "normalizer"))
        case "Prepend": .prepend(try text(part, "prepend", in: "normalizer"))
        case "Replace":
          .replace(
            try pattern(part, in: "normalizer"), with: try text(part, "content", in: "normalizer"))
        default:
          throw unsupported(
            "normalizer.type",
            "NFC, NFD, NFKC, NFKD, Lowercase, StripAccents, Strip, Prepend or Replace",
            part["type"] ?? part)
        }
      })
  }

  mutating func readPreTokenizer(_ node: JSON) throws {
    var steps: [PreTokenizer.Step] = []
    var hasByteLevel = false
    for part in try flattened(node, "pre_tokenizer", members: "pretokenizers") {
      // Behind ByteLevel a text is one of its alphabet, which nothing else is meant for.
      if hasByteLevel { throw unsupported("pre_tokenizer", "ByteLevel as the last part", part) }
      switch part["type"]?.stringValue {
      case "Split":
        steps.append(try split(part))
      case "ByteLevel":
        hasByteLevel = true
        if try flag(part, "add_prefix_space", in: "pre_tokenizer", usual: true) {
          steps.append(.prefixSpace)
        }
        if try flag(part, "use_regex", in: "pre_tokenizer", usual: true) {
          // GPT-2's pattern, which the type has built in.
          let pattern = try TextPattern(
            regex:
              #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#)
          steps.append(.split(pattern, .isolated, isInverted: false))
        }
      default:
        throw unsupported("pre_tokenizer.type", "Split or ByteLevel", part["type"] ?? part)
      }
    }
    if !hasByteLevel { throw unsupported("pre_tokenizer", "a ByteLevel part", node) }
    preTokenizer = PreTokenizer(steps: steps)
  }

  private func split(_ part: JSON) throws -> PreTokenizer.Step {
    let name = part["behavior"]?.stringValue ?? ""
    guard let behavior = PreTokenizer.Behavior(rawValue: name) else {
      let known = PreTokenizer.Behavior.allCases.map(\.rawValue).joined(separator: ", ")
      throw unsupported("pre_tokenizer.behavior", "one of \(known)", part["behavior"])
    }
    return .split(
      try pattern(part, in: "pre_tokenizer"), behavior,
      isInverted: try flag(part, "invert", in: "pre_tokenizer"))
  }

  private func pattern(_ part: JSON, in name: String) throws -> TextPattern {
    let node = part["pattern"]
    do {
      if let regex = node?["Regex"]?.stringValue { return try TextPattern(regex: regex) }
      if let text = node?["String"]?.stringValue, !text.isEmpty {
        return try TextPattern(literal: text)
      }
    } catch {
      throw malformed("\(name).pattern: \(error)")
    }
    throw unsupported("\(name).pattern", "a Regex or a String", node)
  }

  private func text(_ part: JSON, _ field: String, in name: String) throws -> String {
    guard let text = part[field]?.stringValue else {
      throw unsupported("\(name).\(field)", "a text", part[field])
    }
    return text
  }

  mutating func readDecoder(_ node: JSON) throws {
    guard node != .null else { return }
    let types = try flattened(node, "decoder", members: "decoders").map { $0["type"] ?? $0 }
    // Fuse joins what ByteLevel has joined already.
    for (place, type) in types.enumerated()
    where type.stringValue != (place == 0 ? "ByteLevel" : "Fuse") {
      throw unsupported("decoder.type", "ByteLevel", type)
    }
    if types.isEmpty { throw unsupported("decoder", "ByteLevel", node) }
    decoder = .byteLevel
  }
}
