import EthereumPrimitives
import Testing

@Suite("Mnemonics")
struct MnemonicTests {
  @Test(
    "The development phrase leads to its well-known accounts",
    arguments: [
      (0 as UInt32, "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"),
      (1, "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"),
      (2, "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC"),
      (9, "0xa0Ee7A142d267C1f36714E4a8F75612F20a79720"),
    ])
  func development(_ index: UInt32, _ address: String) throws {
    #expect(try Mnemonic.development.key(at: index).address.checksummed == address)
  }

  @Test("A passphrase leads to other keys")
  func passphrase() throws {
    let phrase = "test test test test test test test test test test test junk"
    let plain = try Mnemonic(phrase).key(at: 0).address
    let protected = try Mnemonic(phrase, passphrase: "TREZOR").key(at: 0).address
    #expect(plain != protected)
  }

  @Test("Letters in composed and decomposed form are one phrase")
  func normalisation() throws {
    let composed = try Mnemonic("\u{e9}").key(at: 0).address
    let decomposed = try Mnemonic("e\u{301}").key(at: 0).address
    #expect(composed == decomposed)
  }

  @Test("An index of 2³¹ or more is refused", arguments: [1 << 31, UInt32.max])
  func hardenedIndex(_ index: UInt32) {
    #expect(throws: MnemonicError.indexTooLarge(index)) {
      try Mnemonic.development.key(at: index)
    }
  }

  @Test("No description or dump shows the words")
  func redaction() {
    var dumped = ""
    dump(Mnemonic.development, to: &dumped)
    let text = "\(Mnemonic.development)" + String(reflecting: Mnemonic.development) + dumped
    #expect(!text.contains("junk"))
  }
}
