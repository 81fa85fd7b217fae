import AsyncPrimitives
import PetalsSwarm
import Testing

@Suite("MessagePack")
struct MessagePackTests {
  @Test("Each value that hivemind writes is read, and written with the same bytes")
  func goldenValues() throws {
    let values = try SwarmVectors.load().values
    #expect(values.count > 40)
    for value in values {
      let read = try MessagePackValue(decoding: [UInt8](hex: value.bytes))
      #expect(read.encoded.hex == value.bytes, "\(value.name)")
    }
  }

  @Test("Values have hivemind's bytes")
  func namedValues() throws {
    let values = try SwarmVectors.load().values
    let expected: [String: MessagePackValue] = [
      "int 0": .int(0), "int 4294967296": .int(1 << 32), "int 18446744073709551615": .large(.max),
      "int -33": .int(-33), "int -9223372036854775808": .int(.min), "float 1.5": .double(1.5),
      "nil": .null, "true": .bool(true), "false": .bool(false), "text 0": .string(""),
      "bytes 256": .bytes(Array(repeating: 0xff, count: 256)), "tuple 2": .tuple([.null, .null]),
      "nested tuples": .tuple([
        .tuple([.int(1), .int(2)]), .tuple([.tuple([]), .tuple([.string("a")])]),
        .list([.tuple([.int(-1)])]),
      ]),
      "map": .object([
        "b": .int(1),
        "a": .tuple([.int(1), .tuple([.string("x"), .bytes([UInt8(ascii: "y")])])]),
        "c": .object(["d": .list([.double(1)])]),
      ]),
    ]
    for (name, value) in expected {
      let golden = try #require(values.first { $0.name == name }, "no case \(name)")
      #expect(value.encoded.hex == golden.bytes, "\(name)")
      #expect(try MessagePackValue(decoding: [UInt8](hex: golden.bytes)) == value, "\(name)")
    }
  }

  @Test(
    "Values of 65 536 elements and more come back as they were",
    arguments: [65_535, 65_536, 70_000])
  func longValues(count: Int) throws {
    let values: [MessagePackValue] = [
      .string(String(repeating: "x", count: count)), .bytes(Array(repeating: 7, count: count)),
      .list(Array(repeating: .null, count: count)), .tuple(Array(repeating: .null, count: count)),
      .map((0..<count).map { .init(.int(Int64($0)), .null) }),
    ]
    for value in values { #expect(try MessagePackValue(decoding: value.encoded) == value) }
  }

  @Test(
    "Bytes that are no value are refused with the reason",
    arguments: [
      ("", MessagePackError.Reason.truncated), ("c1", .unknownType(0xc1)), ("cf00", .truncated),
      ("dd7fffffff", .truncated), ("df7fffffff", .truncated), ("c6ffffffff00", .truncated),
      ("a1ff", .invalidText), ("0000", .trailingBytes(1)), ("c70140c0", .invalidTuple),
      ("c7024090c0", .invalidTuple), (String(repeating: "91", count: 40), .tooDeep),
    ])
  func refusals(hex: String, reason: MessagePackError.Reason) {
    let error = #expect(throws: MessagePackError.self) {
      try MessagePackValue(decoding: [UInt8](hex: hex))
    }
    #expect(error?.reason == reason)
  }

  @Test(
    "10 000 random byte strings are read or refused, and what is read is written as it was read")
  func randomBytes() throws {
    var generator = SeededGenerator(seed: 21)
    let golden = try SwarmVectors.load().values.map { [UInt8](hex: $0.bytes) }
    var accepted = 0
    for round in 0..<10_000 {
      var bytes = (0..<Int.random(in: 0...64, using: &generator)).map { _ in
        UInt8.random(in: .min ... .max, using: &generator)
      }
      if round % 2 == 0, let base = golden.randomElement(using: &generator), !base.isEmpty {
        bytes = base
        bytes[Int.random(in: 0..<bytes.count, using: &generator)] ^= UInt8.random(
          in: 1...255, using: &generator)
      }
      guard let value = try? MessagePackValue(decoding: bytes) else { continue }
      accepted += 1
      // Not the same bytes, since a value has longer forms too; but the same value, NaN aside.
      let again = try MessagePackValue(decoding: value.encoded)
      #expect(again == value || value.encoded == again.encoded)
    }
    #expect(accepted > 100, "nothing was read, so nothing was tested")
  }
}
