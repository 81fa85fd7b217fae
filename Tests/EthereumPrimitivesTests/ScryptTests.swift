import EthereumPrimitives
import Testing

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
