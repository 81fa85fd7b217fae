import EthereumPrimitives
import Testing

@Suite("Signed messages")
struct PersonalMessageTests {
  @Test("Digest and signature equal those of another implementation", arguments: Vectors.all.eip191)
  func golden(_ vector: Vectors.Message) throws {
    let key = try SecretKey(hex: vector.privateKey)
    #expect(PersonalMessage.hash(vector.message).hex == vector.hash)
    #expect(key.signPersonalMessage(vector.message).hex == vector.signature)
  }

  @Test("The signer's address is recovered from a signature", arguments: Vectors.all.eip191)
  func recovery(_ vector: Vectors.Message) throws {
    let signature = try Signature(hex: vector.signature)
    let address = try signature.recoverAddress(PersonalMessage.hash(vector.message))
    #expect(address == (try SecretKey(hex: vector.privateKey)).address)
  }

  @Test("The length in the prefix counts bytes, not characters")
  func byteLength() {
    let prefixed = Array("\u{19}Ethereum Signed Message:\n3".utf8) + Array("한".utf8)
    #expect(PersonalMessage.hash("한") == Keccak256.hash(prefixed))
  }
}
