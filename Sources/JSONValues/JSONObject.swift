import TextKeys

/// The members of a JSON object in their order, each name once.
///
/// Names are compared by code points, as in JSON, and not by Swift's string equality, which treats
/// a composed and a decomposed letter as the same.
public struct JSONObject: Sendable {
  /// A name and its value.
  public struct Member: Hashable, Sendable {
    /// The name.
    public let key: String
    /// The value.
    public let value: JSON

    /// A name and its value.
    public init(key: String, value: JSON) {
      self.key = key
      self.value = value
    }

    /// Whether the names have the same code points, and the values are equal.
    public static func == (a: Member, b: Member) -> Bool {
      a.key.isExactly(b.key) && a.value == b.value
    }

    /// Hashes the name's code points and the value.
    public func hash(into hasher: inout Hasher) {
      hasher.combine(TextKey(key))
      hasher.combine(value)
    }
  }

  /// The members in their order.
  public private(set) var members: [Member]

  /// An object without members.
  public init() { members = [] }

  /// An object with these members; a repeated name traps.
  public init(uniqueMembers: some Sequence<(String, JSON)>) {
    members = uniqueMembers.map { Member(key: $0.0, value: $0.1) }
    precondition(Self.areUnique(members), "a JSON object has every name once")
  }

  private static func areUnique(_ members: [Member]) -> Bool {
    guard members.count <= 8 else {
      return Set(members.map { Array($0.key.utf8) }).count == members.count
    }
    // A few names are compared faster than they are put into a set.
    return members.indices.dropFirst().allSatisfy { index in
      !members[..<index].contains { $0.key.utf8.elementsEqual(members[index].key.utf8) }
    }
  }

  /// Members whose names the reader has found to differ.
  init(verified members: [Member]) { self.members = members }

  /// The names in their order.
  public var keys: [String] { members.map(\.key) }

  /// How many members there are.
  public var count: Int { members.count }

  /// Whether there are no members.
  public var isEmpty: Bool { members.isEmpty }

  /// The value of a name.
  ///
  /// A value set for a new name comes last; nil removes the member.
  public subscript(key: String) -> JSON? {
    get { place(of: key).map { members[$0].value } }
    set {
      switch (place(of: key), newValue) {
      case (let place?, let value?): members[place] = Member(key: key, value: value)
      case (let place?, nil): members.remove(at: place)
      case (nil, let value?): members.append(Member(key: key, value: value))
      case (nil, nil): break
      }
    }
  }

  private func place(of key: String) -> Int? {
    members.firstIndex { $0.key.utf8.elementsEqual(key.utf8) }
  }

  /// The members sorted by the code points of their names, which is the order of their UTF-8 bytes.
  var sortedMembers: [Member] {
    members.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
  }
}

extension JSONObject: Hashable {
  /// Whether both hold equal members, in whatever order.
  public static func == (left: JSONObject, right: JSONObject) -> Bool {
    left.count == right.count && left.sortedMembers == right.sortedMembers
  }

  /// Hashes the members without regard to their order.
  public func hash(into hasher: inout Hasher) { hasher.combine(sortedMembers) }
}

extension JSONObject: ExpressibleByDictionaryLiteral {
  /// An object with its members in the order of the source; a repeated key traps.
  public init(dictionaryLiteral elements: (String, JSON)...) {
    self.init(uniqueMembers: elements)
  }
}
