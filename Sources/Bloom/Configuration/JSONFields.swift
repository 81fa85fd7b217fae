import JSONValues

/// Typed access to the fields of a JSON object in a model's files.
///
/// A field that is null counts as absent. What cannot be is refused by the field's name, with what
/// would have been right.
struct JSONFields {
  private let root: JSON

  /// Throws for a value that is no object.
  init(_ root: JSON) throws(ConfigurationError) {
    guard root.objectValue != nil else {
      throw ConfigurationError(field: "the file", expected: "an object", found: root.summary)
    }
    self.root = root
  }

  /// The value of a field that is there.
  subscript(field: String) -> JSON? {
    let node = root[field]
    return node == .null ? nil : node
  }

  /// A whole number, written without fraction or exponent.
  func integer(
    _ field: String, in range: ClosedRange<Int>
  ) throws(ConfigurationError) -> Int? {
    guard let node = self[field] else { return nil }
    guard let value = node.intValue, range.contains(value) else {
      throw ConfigurationError(
        field: field, expected: Self.words(range), found: node.summary)
    }
    return value
  }

  /// The one number behind several spellings; those that are there must agree.
  func integer(
    _ spellings: [String], in range: ClosedRange<Int>, default fallback: Int? = nil
  ) throws(ConfigurationError) -> Int {
    var result: (field: String, value: Int)?
    for field in spellings {
      guard let value = try integer(field, in: range) else { continue }
      if let result, result.value != value {
        throw ConfigurationError(
          field: field, expected: "\(result.value), as \(result.field) says", found: "\(value)")
      }
      result = (field, value)
    }
    if let value = result?.value ?? fallback { return value }
    throw ConfigurationError(
      field: spellings.joined(separator: " or "), expected: Self.words(range), found: "nothing")
  }

  /// A number.
  func number(
    _ field: String, in range: ClosedRange<Double>
  ) throws(ConfigurationError) -> Double? {
    guard let node = self[field] else { return nil }
    guard let value = node.doubleValue, range.contains(value) else {
      throw ConfigurationError(
        field: field, expected: "a number from \(range.lowerBound) to \(range.upperBound)",
        found: node.summary)
    }
    return value
  }

  /// True or false.
  func flag(_ field: String) throws(ConfigurationError) -> Bool? {
    guard let node = self[field] else { return nil }
    guard let value = node.boolValue else {
      throw ConfigurationError(field: field, expected: "true or false", found: node.summary)
    }
    return value
  }

  /// Ids that end a text: one, or a list of them.
  func endTokens(_ field: String, below count: Int) throws(ConfigurationError) -> [Int32]? {
    guard let node = self[field] else { return nil }
    var ids: [Int32] = []
    for element in node.arrayValue ?? [node] {
      guard let value = element.intValue, (0..<count).contains(value),
        let id = Int32(exactly: value)
      else {
        throw ConfigurationError(
          field: field, expected: "a token id from 0 to \(count - 1), or a list of them",
          found: element.summary)
      }
      if !ids.contains(id) { ids.append(id) }
    }
    return ids
  }

  /// An id that nothing here computes with.
  ///
  /// One that is no token, as -1 or the vocabulary's size, stands for none: it is what files say of
  /// models that were never padded, and no reason to refuse them.
  func idleToken(_ field: String, below count: Int) throws(ConfigurationError) -> Int32? {
    let range = Int(Int32.min)...Int(Int32.max)
    guard let value = try integer(field, in: range), (0..<count).contains(value) else {
      return nil
    }
    return Int32(exactly: value)
  }

  private static func words(_ range: ClosedRange<Int>) -> String {
    "a whole number from \(range.lowerBound) to \(range.upperBound)"
  }
}

extension JSON {
  /// The number, when the value is one that is written as an integer and fits `Int`.
  var intValue: Int? { integerValue.flatMap { Int(exactly: $0) } }
}
