import AsyncPrimitives
import EthereumPrimitives
import TestVectors
import Testing

/// Whatever arrives, a reader refuses it or understands it; it never ends the process.
@Suite("Readers of altered bytes")
struct MutationTests {
  @Test(
    "An altered transaction is refused, or is canonical again",
    arguments: 0..<3, 0..<4 as Range<UInt64>)
  func transactions(_ type: Int, _ seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    let (prefix, items) = try TransactionRefusalTests.fields(type: type)
    let raw = prefix + RLP.encode(.list(items))
    for _ in 0..<500 {
      let altered = random.mutation(of: raw)
      // A refusal is as good as an understanding.
      guard let read = try? SignedTransaction(raw: altered) else { continue }
      #expect(SignedTransaction(read.transaction, signature: read.signature).raw == altered)
    }
  }

  @Test("Altered RLP is refused, or is canonical again", arguments: 0..<4 as Range<UInt64>)
  func rlp(_ seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    for (item, _) in RLPTests.examples {
      for _ in 0..<100 {
        let altered = random.mutation(of: RLP.encode(item))
        // A refusal is as good as an understanding.
        guard let read = try? RLP.decode(altered) else { continue }
        #expect(RLP.encode(read) == altered)
      }
    }
  }

  @Test("Altered ABI data is refused, or has values that encode", arguments: ABITests.samples)
  func abi(_ type: ABIType, _ value: ABIValue) {
    var random = SeededGenerator(seed: 7)
    let types: [ABIType] = [.string, type, .bytes]
    let encoded = ABI.encode([.string("before"), value, .bytes([1, 2, 3])])
    for _ in 0..<200 {
      // A refusal is as good as an understanding.
      guard let read = try? ABI.decode(types, from: random.mutation(of: encoded)) else { continue }
      #expect(throws: Never.self) { try ABI.decode(types, from: ABI.encode(read)) }
    }
  }
}

extension SeededGenerator {
  /// A word of a random length with runs of ones and zeros, where carries go wrong if they do.
  mutating func word() -> Word {
    let count = Int.random(in: 0...32, using: &self)
    var value = Word.zero
    for _ in 0..<count {
      let byte = [0x00, 0xff, UInt8.random(in: 0...255, using: &self)].randomElement(using: &self)
      value = (value << 8) + Word(UInt64(byte ?? 0))
    }
    return value
  }
}
