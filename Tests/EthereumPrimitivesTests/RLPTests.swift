import EthereumPrimitives
import TestVectors
import Testing

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
