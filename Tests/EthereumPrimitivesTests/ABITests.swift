import EthereumPrimitives
import Testing

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
