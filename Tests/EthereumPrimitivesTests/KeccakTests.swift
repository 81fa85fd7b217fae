import EthereumPrimitives
import Testing

@Suite("Keccak-256")
struct KeccakTests {
  @Test("A digest equals that of another implementation", arguments: Vectors.all.keccak256)
  func golden(_ vector: Vectors.Digest) throws {
    #expect(Keccak256.hash(try Hex.decode(vector.input)).hex == vector.digest)
  }

  @Test("A sequence without contiguous storage has the digest of its array")
  func lazySequence() {
    let bytes = (0..<500).lazy.map { UInt8(truncatingIfNeeded: $0) }
    #expect(Keccak256.hash(bytes) == Keccak256.hash(Array(bytes)))
  }

  @Test("A slice is hashed from its own beginning")
  func slice() {
    let bytes = (0..<300).map { UInt8(truncatingIfNeeded: $0 &* 7) }
    #expect(Keccak256.hash(bytes[3...]) == Keccak256.hash(Array(bytes[3...])))
  }

  @Test("A text is hashed in its UTF-8 form")
  func text() {
    #expect(Keccak256.hash("한국어") == Keccak256.hash(Array("한국어".utf8)))
  }
}
