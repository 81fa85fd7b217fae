/// Numbers with a shape, as they are before a codec and after it.
package struct SwarmArray: Hashable, Sendable {
  /// The numbers, row-major.
  package enum Elements: Hashable, Sendable {
    case real([Float])
    case whole([Int64])

    var count: Int {
      switch self {
      case .real(let values): values.count
      case .whole(let values): values.count
      }
    }
  }

  /// The sizes.
  package let shape: [Int]
  /// As many as the product of the sizes.
  package let elements: Elements

  /// Real numbers.
  ///
  /// - Precondition: There are as many as the shape says.
  package init(_ shape: [Int], _ values: [Float]) {
    self.init(shape, elements: .real(values))
  }

  /// Whole numbers.
  ///
  /// - Precondition: There are as many as the shape says.
  package init(_ shape: [Int], whole values: [Int64]) {
    self.init(shape, elements: .whole(values))
  }

  init(_ shape: [Int], elements: Elements) {
    precondition(elements.count == shape.reduce(1, *), "\(elements.count) elements for \(shape)")
    self.shape = shape
    self.elements = elements
  }

  /// What stands for an argument that is not given: no real numbers.
  package static let noPrompts = SwarmArray([0], [])
  /// What stands for an order of rows that is not given: no whole numbers.
  package static let noOrder = SwarmArray([0], whole: [])

  /// Whether it stands for an argument that is not given.
  package var isDummy: Bool { elements.count == 0 }

  /// The real numbers.
  ///
  /// - Throws: ``SwarmMessageError`` when they are whole.
  package func real(_ what: String) throws(SwarmMessageError) -> [Float] {
    guard case .real(let values) = elements else {
      throw SwarmMessageError(what, "real numbers are expected, not whole ones")
    }
    return values
  }
}

/// The codecs of hivemind, by their numbers on the wire.
///
/// The set is open: a peer may name any number.
package struct TensorCodec: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
  /// The number on the wire.
  package let rawValue: Int

  package init(rawValue: Int) { self.rawValue = rawValue }

  /// The numbers as they are.
  package static let none = Self(rawValue: 0)
  /// Half the bytes: IEEE 754 binary16, limited to ±65504.
  package static let float16 = Self(rawValue: 2)
  /// A quarter of the bytes: runs of 4096 numbers, each a factor and places in a table of 256.
  package static let blockwise8Bit = Self(rawValue: 5)

  /// Those that are spoken here.
  static let supported: Set<Self> = [.none, .float16, .blockwise8Bit]

  /// hivemind's name.
  package var description: String {
    let names = [
      0: "NONE", 1: "MEANSTD_16BIT", 2: "FLOAT16", 3: "QUANTILE_8BIT", 4: "UNIFORM_8BIT",
      5: "BLOCKWISE_8BIT",
    ]
    return names[rawValue] ?? "number \(rawValue)"
  }

  /// Refuses a codec that is not spoken here.
  func requireSupported() throws(SwarmMessageError) {
    guard Self.supported.contains(self) else {
      let names = Self.supported.sorted { $0.rawValue < $1.rawValue }.map(\.description)
      throw SwarmMessageError(
        "a tensor", "the codec \(self) is not supported: use \(names.joined(separator: ", "))")
    }
  }
}
