public import EthereumPrimitives

/// The text that a message's signature covers, apart from the message that is sent.
///
/// Both sides build it: the sender from what it means to say, the receiver from what arrived. It is
/// signed as wallets sign (EIP-191).
public struct SignedText: Hashable, Sendable {
  /// The text itself.
  public let text: String

  /// The canonical JSON of a payload: the documented dialect.
  public init(canonical payload: JSON) { text = CanonicalJSON.text(of: payload) }

  /// Members of a body in an order that is agreed upon, as JavaScript prints them: the deployed
  /// dialect.
  ///
  /// Each pair is the signed name and its value; a nil value is left out, as JavaScript leaves out
  /// what is undefined.
  public init(stringified members: [(String, JSON?)]) {
    let present = members.compactMap { name, value in value.map { (name, $0) } }
    text = JavaScriptJSON.text(of: .object(JSONObject(uniqueMembers: present)))
  }

  /// The digest that is signed.
  public var hash: Hash32 { PersonalMessage.hash(text) }

  /// Signs the text.
  public func signature(by key: SecretKey) -> Signature { key.sign(hash) }

  /// The account that made a signature over the text.
  ///
  /// - Throws: `SignatureError.unrecoverable` when no account can have made it.
  public func signer(of signature: Signature) throws(SignatureError) -> Address {
    try signature.recoverAddress(hash)
  }
}
