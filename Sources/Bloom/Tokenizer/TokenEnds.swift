/// What a tokenizer's file does with the ids of a whole text: it cuts them to a length, and puts
/// tokens around them.
struct TokenEnds: Sendable {
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
