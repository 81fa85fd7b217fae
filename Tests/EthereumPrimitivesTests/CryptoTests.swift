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

@Suite("What contracts ask the libraries for")
struct ContractCryptoTests {
  /// Digests of the designers' paper.
  @Test(
    "RIPEMD-160 gives the digests of its paper",
    arguments: [
      ("", "9c1185a5c5e9fc54612808977ee8f548b2258d31"),
      ("a", "0bdc9d2d256b3ee9daae347be6f4dc835a467ffe"),
      ("abc", "8eb208f7e05d987a9b044a8e98c6b087f15a0bfc"),
      ("message digest", "5d0689ef49d2fae572b881b123a85ffa21595f36"),
      (
        "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
        "12a053384a9c0c88e405a06c27dcf49ada62eb2b"
      ),
      (
        String(repeating: "1234567890", count: 8), "9b752e45573d4b39f4dbd3323cab82bf63326bfb"
      ),
    ])
  func ripemd(_ text: String, _ digest: String) {
    let hash = Array(text.utf8).withUnsafeBytes { RIPEMD160.hash($0) }
    #expect(Hex.digits(hash) == digest)
  }

  /// FIPS 180-4's own example.
  @Test("SHA-256 gives the digest of its standard")
  func sha256() {
    let hash = Array("abc".utf8).withUnsafeBytes { ContractCrypto.sha256($0) }
    #expect(
      Hex.digits(hash) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
  }

  @Test(
    "A modular power has the length of its modulus",
    arguments: [
      ([3], [5], [0, 0, 7], [0, 0, 5]), ([2], [], [0, 2], [0, 1]), ([], [], [2], [1]),
      ([9], [9], [1], [0]), ([9], [9], [0, 0], [0, 0]), ([5], [0], [9], [1]), ([], [], [], []),
    ] as [([UInt8], [UInt8], [UInt8], [UInt8])])
  func modularPower(_ base: [UInt8], _ exponent: [UInt8], _ modulus: [UInt8], _ power: [UInt8]) {
    #expect(
      ContractCrypto.modularPower(base: base, exponent: exponent, modulus: modulus) == power)
  }

  @Test("A modular power of a number that libcrypto cannot hold is none")
  func longModularPower() {
    let exponent = [UInt8](repeating: 1, count: 70 << 20)
    #expect(ContractCrypto.modularPower(base: [2], exponent: exponent, modulus: [7]) == nil)
  }

  @Test("The signer is found for a high s as for a low one, and for nothing out of range")
  func signer() {
    let key = SecretKey.random()
    let hash = Keccak256.hash("petals")
    let signature = key.sign(hash)
    let (r, s, parity) = (signature.r, signature.s, signature.yParity)
    #expect(ContractCrypto.signer(of: hash, r: r, s: s, yParity: parity) == key.address)
    #expect(
      ContractCrypto.signer(of: hash, r: r, s: Signature.order - s, yParity: 1 - parity)
        == key.address)
    for (r, s) in [(.zero, s), (r, .zero), (Signature.order, s), (r, Signature.order), (.max, s)] {
      #expect(ContractCrypto.signer(of: hash, r: r, s: s, yParity: parity) == nil)
    }
  }

  @Test("The root of a secure trie that holds nothing is the known one")
  func emptyRoot() {
    #expect(
      SecureTrie.root([]).hex
        == "0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421")
  }
}

@Suite("scrypt without libcrypto's limit")
struct ScryptTests {
  struct Example: CustomTestStringConvertible {
    let password, salt: String
    let n, r, p: Int
    let key: String
    var testDescription: String { "n = \(n), r = \(r), p = \(p)" }
  }

  /// RFC 7914, section 12, without the last, which takes 1 GiB.
  static let examples = [
    Example(
      password: "", salt: "", n: 16, r: 1, p: 1,
      key: "77d6576238657b203b19ca42c18a0497f16b4844e3074ae8dfdffa3fede21442"
        + "fcd0069ded0948f8326a753a0fc81f17e8d3e0fb2e0d3628cf35e20c38d18906"),
    Example(
      password: "password", salt: "NaCl", n: 1024, r: 8, p: 16,
      key: "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162"
        + "2eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640"),
    Example(
      password: "pleaseletmein", salt: "SodiumChloride", n: 16384, r: 8, p: 1,
      key: "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2"
        + "d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887"),
  ]

  @Test("It gives the keys of RFC 7914", arguments: examples)
  func standard(_ example: Example) throws {
    let key = try Scrypt.key(
      password: SecretBytes(example.password.utf8), salt: Array(example.salt.utf8), n: example.n,
      r: example.r, p: example.p, count: 64)
    #expect(key.withUnsafeBytes { Hex.digits($0) } == example.key)
  }
}
