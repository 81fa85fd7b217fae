import EthereumPrimitives
import PlumiseWire

/// Checks that an agent signed a text with `personal_sign` (EIP-191, Wire.md, Keys and signatures).
/// - Throws: ``Refusal/malformedSignature(_:)`` or ``Refusal/wrongSigner(recovered:claimed:)``.
func verifySignature(
  _ signature: String, of text: SignedText, by agent: Address
) throws(Refusal) {
  let recovered: Address
  do {
    recovered = try text.signer(of: Signature(hex: signature))
  } catch {
    throw .malformedSignature(error.description)
  }
  guard recovered == agent else { throw .wrongSigner(recovered: recovered, claimed: agent) }
}
