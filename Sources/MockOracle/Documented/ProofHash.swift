import EthereumPrimitives

/// A hash in a documented proof.
///
/// Under web3 6 the reference reporter puts a `0x` in front of texts that have one: `0x0x` and 64
/// digits. That is its fault and not the agent's: such a hash is read, and kept as it came.
struct ProofHash: Sendable {
  let value: Hash32
  /// The text that is kept: in lower case, or as it came where its prefix is doubled.
  let text: String
  let isDoubled: Bool

  /// Reads a hash; nil for what is none.
  init?(_ text: String) {
    isDoubled = text.utf8.starts(with: "0x0x".utf8)
    // What fails to parse is refused with the same words, whatever the reason.
    guard let value = try? Hash32(isDoubled ? String(text.dropFirst(2)) : text) else { return nil }
    self.value = value
    self.text = isDoubled ? text : value.hex
  }
}
