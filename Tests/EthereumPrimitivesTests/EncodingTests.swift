import AsyncPrimitives
import EthereumPrimitives
import Testing

@Suite("Hexadecimal")
struct HexTests {
  @Test("Bytes are printed in lowercase behind 0x and read back in either case")
  func roundTrip() throws {
    let bytes = (0...255).map { UInt8($0) }
    let text = Hex.encode(bytes)
    #expect(text.hasPrefix("0x000102") && text.hasSuffix("fdfeff"))
    #expect(try Hex.decode(text) == bytes)
    #expect(try Hex.decode("0x" + text.dropFirst(2).uppercased()) == bytes)
    #expect(try Hex.decodeDigits(Hex.digits(bytes)) == bytes)
    #expect(try Hex.decode("0x") == [])
  }

  @Test(
    "A text that is no byte string is refused with its slip",
    arguments: [
      ("", HexError.missingPrefix), ("00", .missingPrefix), ("0X00", .missingPrefix),
      ("x00", .missingPrefix), (" 0x00", .missingPrefix), ("0x0", .oddLength(1)),
      ("0x000", .oddLength(3)), ("0x0g", .invalidDigit(offset: 3)),
      ("0xg0", .invalidDigit(offset: 2)), ("0x00 0", .invalidDigit(offset: 4)),
      ("0x0x00", .invalidDigit(offset: 3)), ("0x/:", .invalidDigit(offset: 2)),
      ("0x@G", .invalidDigit(offset: 2)), ("0x`g", .invalidDigit(offset: 2)),
      ("0x-1", .invalidDigit(offset: 2)), ("0x１", .oddLength(3)),
    ])
  func refused(_ text: String, _ error: HexError) {
    #expect(throws: error) { try Hex.decode(text) }
  }
}

@Suite("Quantities")
struct QuantityTests {
  @Test(
    "A number is printed without leading zeros and read back",
    arguments: [
      (0 as Word, "0x0"), (1, "0x1"), (15, "0xf"), (16, "0x10"), (0x3b9a_ca00, "0x3b9aca00"),
      (Word(UInt64.max), "0xffffffffffffffff"), (1 << 64, "0x10000000000000000"),
      (1 << 128, "0x1" + String(repeating: "0", count: 32)),
      (.max, "0x" + String(repeating: "f", count: 64)),
    ])
  func roundTrip(_ value: Word, _ text: String) throws {
    #expect(Quantity.encode(value) == text)
    #expect(try Quantity.decode(text) == value)
    #expect(try Quantity.decode("0x" + text.dropFirst(2).uppercased()) == value)
    if let small = value.exactUInt64() { #expect(Quantity.encode(small) == text) }
  }

  @Test(
    "A text that is no quantity is refused with its slip",
    arguments: [
      ("", QuantityError.missingPrefix), ("0", .missingPrefix), ("1", .missingPrefix),
      ("0X1", .missingPrefix), ("-0x1", .missingPrefix), ("0x", .noDigits),
      ("0x00", .leadingZero), ("0x01", .leadingZero), ("0x1g", .invalidDigit(offset: 3)),
      ("0x 1", .invalidDigit(offset: 2)), ("0x-1", .invalidDigit(offset: 2)),
      ("0x1" + String(repeating: "0", count: 64), .tooLong(digits: 65)),
    ])
  func refused(_ text: String, _ error: QuantityError) {
    #expect(throws: error) { try Quantity.decode(text) }
  }
}

@Suite("Recursive-length prefix")
struct RLPTests {
  /// The examples of the specification and the edges of its length forms.
  static let examples: [(RLP.Item, String)] = [
    (.bytes(Array("dog".utf8)), "0x83646f67"),
    (.list([.bytes(Array("cat".utf8)), .bytes(Array("dog".utf8))]), "0xc88363617483646f67"),
    (.bytes([]), "0x80"), (.list([]), "0xc0"), (.bytes([0]), "0x00"), (.bytes([0x7f]), "0x7f"),
    (.bytes([0x80]), "0x8180"), (.integer(0), "0x80"), (.integer(1), "0x01"),
    (.integer(1024), "0x820400"), (.integer(UInt64.max), "0x88ffffffffffffffff"),
    (
      .list([.list([]), .list([.list([])]), .list([.list([]), .list([.list([])])])]),
      "0xc7c0c1c0c3c0c1c0"
    ),
    (.bytes([UInt8](repeating: 1, count: 55)), "0xb7" + String(repeating: "01", count: 55)),
    (.bytes([UInt8](repeating: 1, count: 56)), "0xb838" + String(repeating: "01", count: 56)),
    (.bytes([UInt8](repeating: 1, count: 256)), "0xb90100" + String(repeating: "01", count: 256)),
    (
      .list([RLP.Item](repeating: .bytes([1]), count: 55)),
      "0xf7" + String(repeating: "01", count: 55)
    ),
    (
      .list([RLP.Item](repeating: .bytes([1]), count: 56)),
      "0xf838" + String(repeating: "01", count: 56)
    ),
  ]

  @Test("An item is encoded as specified and read back", arguments: examples)
  func roundTrip(_ item: RLP.Item, _ text: String) throws {
    #expect(Hex.encode(RLP.encode(item)) == text)
    #expect(try RLP.decode(Hex.decode(text)) == item)
  }

  @Test("Random items read back", arguments: 0..<20 as Range<UInt64>)
  func random(_ seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    let item = Self.item(depth: 4, &random)
    #expect(try RLP.decode(RLP.encode(item)) == item)
  }

  static let refusals: [(String, RLPError)] = [
    ("0x", RLPError.truncated(offset: 0, missing: 1)),
    ("0x81", .truncated(offset: 1, missing: 1)),
    ("0x83646f", .truncated(offset: 1, missing: 1)),
    ("0xb8", .truncated(offset: 1, missing: 1)),
    ("0xb90100", .truncated(offset: 3, missing: 256)),
    ("0xbfffffffffffffffff", .truncated(offset: 9, missing: .max)),
    ("0xc3646f", .truncated(offset: 1, missing: 1)),
    ("0xc28361", .truncated(offset: 2, missing: 2)),
    ("0xffffffffffffffffff", .truncated(offset: 9, missing: .max)),
    ("0x8000", .trailingBytes(offset: 1, count: 1)),
    ("0xc0c0c0", .trailingBytes(offset: 1, count: 2)),
    ("0x8100", .needlessPrefix(offset: 0)), ("0x817f", .needlessPrefix(offset: 0)),
    ("0xc28101", .needlessPrefix(offset: 1)),
    ("0xb80101", .needlessLongLength(offset: 1)),
    ("0xb837" + String(repeating: "01", count: 55), .needlessLongLength(offset: 1)),
    ("0xf800", .lengthHasLeadingZero(offset: 1)),
    ("0xf837" + String(repeating: "01", count: 55), .needlessLongLength(offset: 1)),
    ("0xb90038" + String(repeating: "01", count: 56), .lengthHasLeadingZero(offset: 1)),
    ("0xf90038" + String(repeating: "01", count: 56), .lengthHasLeadingZero(offset: 1)),
  ]

  @Test(
    "Bytes that are not the one encoding of an item are refused with their place",
    arguments: refusals)
  func refused(_ text: String, _ error: RLPError) throws {
    let bytes = try Hex.decode(text)
    #expect(throws: error) { try RLP.decode(bytes) }
  }

  @Test("Lists nest as deep as the limit and no deeper")
  func depth() throws {
    func nested(_ depth: Int) -> RLP.Item {
      (0..<depth).reduce(.list([])) { item, _ in .list([item]) }
    }
    let deepest = RLP.encode(nested(RLP.depthLimit))
    #expect(try RLP.decode(deepest) == nested(RLP.depthLimit))
    let tooDeep = RLP.encode(nested(RLP.depthLimit + 1))
    #expect(throws: RLPError.tooDeep(limit: RLP.depthLimit)) { try RLP.decode(tooDeep) }
  }

  @Test("Every cut of an encoding is refused", arguments: examples)
  func cuts(_ item: RLP.Item, _ text: String) {
    let bytes = RLP.encode(item)
    for count in 0..<bytes.count {
      #expect(throws: RLPError.self) { try RLP.decode(bytes[..<count]) }
    }
  }

  private static func item(depth: Int, _ random: inout SeededGenerator) -> RLP.Item {
    if depth == 0 || Bool.random(using: &random) {
      let count = [0, 1, 2, 55, 56, 300].randomElement(using: &random) ?? 0
      return .bytes((0..<count).map { _ in UInt8.random(in: 0...255, using: &random) })
    }
    let count = Int.random(in: 0...6, using: &random)
    return .list((0..<count).map { _ in item(depth: depth - 1, &random) })
  }
}

@Suite("Contract calls")
struct ABITests {
  @Test(
    "Selectors are those of the deployed contracts",
    arguments: [
      ("registerAgent(bytes32,string)", "0x9c795951"), ("heartbeat()", "0x3defb962"),
      ("updateMetadata(string)", "0x918b5be1"), ("deregisterAgent()", "0xa7253704"),
      ("getActiveAgents()", "0x86b909fd"), ("getActiveAgentCount()", "0x36dd8a1a"),
      ("claimRewardFor(address)", "0xff85a2ba"), ("pendingRewards(address)", "0x31d7a262"),
      ("Error(string)", "0x08c379a0"),
    ])
  func selectors(_ signature: String, _ selector: String) {
    #expect(Hex.encode(ABI.selector(signature)) == selector)
  }

  @Test("The dynamic values of the specification's example stand behind their offsets")
  func specificationExample() throws {
    // f(uint256,uint32[],bytes10,bytes) with (0x123, [0x456, 0x789], "1234567890", "Hello, world!")
    let ten = Array("1234567890".utf8) + [UInt8](repeating: 0, count: 22)
    let values: [ABIValue] = [
      .uint(0x123), .array([.uint(0x456), .uint(0x789)]), .bytes32(try Hash32(bytes: ten)),
      .bytes(Array("Hello, world!".utf8)),
    ]
    let words = [
      "123", "80", "31323334353637383930" + String(repeating: "0", count: 44), "e0", "2", "456",
      "789", "d", "48656c6c6f2c20776f726c6421" + String(repeating: "0", count: 38),
    ].map { String(repeating: "0", count: 64 - $0.count) + $0 }
    let encoded = ABI.encode(values)
    #expect(Hex.digits(encoded) == words.joined())
    let types: [ABIType] = [.uint, .array(of: .uint), .bytes32, .bytes]
    #expect(try ABI.decode(types, from: encoded) == values)
  }

  static let samples: [(ABIType, ABIValue)] = [
    (.bool, .bool(true)), (.bool, .bool(false)), (.uint, .uint(.max)),
    (.address, .address(.precompile(0x21))),
    (.string, .string("")), (.string, .string("한국어 🙂")),
    (.bytes, .bytes([UInt8](repeating: 7, count: 64))),
    (.array(of: .string), .array([.string("a"), .string("b")])),
    (.array(of: .array(of: .uint)), .array([.array([]), .array([.uint(1)])])),
    (.tuple([.uint, .bool]), .tuple([.uint(1), .bool(true)])),
    (.tuple([.string, .uint]), .tuple([.string("x"), .uint(2)])),
    (.array(of: .tuple([.address, .string])), .array([.tuple([.address(.zero), .string("y")])])),
  ]

  @Test("A value reads back, alone and between others", arguments: samples)
  func roundTrip(_ type: ABIType, _ value: ABIValue) throws {
    #expect(try ABI.decode([type], from: ABI.encode([value])) == [value])
    let three: [ABIValue] = [.string("before"), value, .uint(9)]
    #expect(try ABI.decode([.string, type, .uint], from: ABI.encode(three)) == three)
  }

  @Test("Every cut of an encoding is refused", arguments: samples)
  func cuts(_ type: ABIType, _ value: ABIValue) {
    let encoded = ABI.encode([value])
    // The zeros that pad a text to whole words may be missing.
    let padding = encoded.reversed().prefix { $0 == 0 }.count
    for count in 0..<(encoded.count - min(padding, 31) - 1) {
      let cut = Array(encoded[..<count])
      let decoded = try? ABI.decode([type], from: cut)
      #expect(decoded == nil, "cut to \(count) bytes")
    }
  }

  @Test(
    "Values that do not fit their type are refused with their place",
    arguments: [
      (.address, 1 << 160, .valueTooLarge(offset: 0, bits: 160)),
      (.bool, 2, .valueTooLarge(offset: 0, bits: 1)),
      (.string, 0x40, .pointsOutside(offset: 0)),
      (.string, Word.max, .pointsOutside(offset: 0)),
      (.array(of: .uint), 0x20, .truncated(offset: 32, expected: 32)),
    ] as [(ABIType, Word, ABIError)])
  func refused(_ type: ABIType, _ word: Word, _ error: ABIError) {
    #expect(throws: error) { try ABI.decode([type], from: ABI.word(word)) }
  }

  @Test("A count beyond the data is refused before anything is made of it")
  func hugeCount() {
    let data = ABI.word(0x20) + ABI.word(1 << 40) + ABI.word(1)
    #expect(throws: ABIError.self) { try ABI.decode([.array(of: .uint)], from: data) }
    #expect(throws: ABIError.self) { try ABI.decode([.bytes], from: data) }
  }

  @Test("A text that is not UTF-8 is refused")
  func invalidText() {
    let data = ABI.encode([.bytes([0xff, 0xfe])])
    #expect(throws: ABIError.invalidUTF8(offset: 32)) { try ABI.decode([.string], from: data) }
  }

  @Test("A revert reason is read from what was encoded, and from nothing else")
  func revertReasons() throws {
    let encoded = ABI.encodeError("Agent not registered")
    #expect(
      Hex.encode(encoded)
        == "0x08c379a0" + String(repeating: "0", count: 62) + "20"
        + String(repeating: "0", count: 62) + "14"
        + "4167656e74206e6f742072656769737465726564" + String(repeating: "0", count: 24))
    #expect(ABI.decodeError(encoded) == "Agent not registered")
    #expect(ABI.decodeError([]) == nil)
    #expect(ABI.decodeError(Array(encoded.dropFirst())) == nil)
    #expect(ABI.decodeError(Array(encoded.prefix(40))) == nil)
  }
}
