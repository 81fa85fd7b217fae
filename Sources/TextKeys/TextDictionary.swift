/// A dictionary whose keys are texts from outside, told apart by their code points.
///
/// It is used like `[String: Value]`, which would take canonical equivalents for one key
/// (``TextKey``).
public struct TextDictionary<Value> {
  private var members: [TextKey: Value] = [:]

  /// No members.
  public init() {}

  /// Members with different keys; a key that is there twice traps.
  public init(uniqueKeysWithValues members: some Sequence<(String, Value)>) {
    self.members = Dictionary(uniqueKeysWithValues: members.map { (TextKey($0.0), $0.1) })
  }

  /// The value of a key; nil adds none, or removes it.
  public subscript(key: String) -> Value? {
    get { members[TextKey(key)] }
    _modify { yield &members[TextKey(key)] }
  }

  /// The value of a key, or `usual` where there is none.
  public subscript(key: String, default usual: @autoclosure () -> Value) -> Value {
    get { members[TextKey(key), default: usual()] }
    _modify { yield &members[TextKey(key), default: usual()] }
  }

  /// Sets a key's value and returns the one before.
  @discardableResult
  public mutating func updateValue(_ value: Value, forKey key: String) -> Value? {
    members.updateValue(value, forKey: TextKey(key))
  }

  /// How many members there are.
  public var count: Int { members.count }

  /// Whether there are none.
  public var isEmpty: Bool { members.isEmpty }

  /// The keys, in no particular order.
  public var keys: [String] { members.keys.map(\.text) }

  /// The values, in no particular order.
  public var values: some Collection<Value> { members.values }

  /// The same keys with other values.
  public func mapValues<Other, Failure: Error>(
    _ transform: (Value) throws(Failure) -> Other
  ) throws(Failure) -> TextDictionary<Other> {
    var result = TextDictionary<Other>()
    for (key, value) in members { result.members[key] = try transform(value) }
    return result
  }
}

extension TextDictionary: Sequence {
  /// Walks the members, in no particular order.
  public func makeIterator() -> AnyIterator<(key: String, value: Value)> {
    var iterator = members.makeIterator()
    return AnyIterator { iterator.next().map { (key: $0.key.text, value: $0.value) } }
  }

  /// At least as many members as are to come.
  public var underestimatedCount: Int { members.count }
}

extension TextDictionary: ExpressibleByDictionaryLiteral {
  /// The members of a literal; a repeated key traps.
  public init(dictionaryLiteral elements: (String, Value)...) {
    self.init(uniqueKeysWithValues: elements)
  }
}

extension TextDictionary: Sendable where Value: Sendable {}
extension TextDictionary: Equatable where Value: Equatable {}
extension TextDictionary: Hashable where Value: Hashable {}
