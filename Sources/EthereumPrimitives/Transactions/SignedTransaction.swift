/// A transaction with its signature, as it travels.
public struct SignedTransaction: Hashable, Sendable {
  /// What was signed.
  public let transaction: Transaction
  /// The sender's signature.
  public let signature: Signature
  /// The bytes that are sent: RLP, behind the type's byte when there is one (EIP-2718).
  public let raw: [UInt8]
  /// keccak256 of the bytes that are sent.
  public let hash: Hash32

  /// A transaction with a signature made elsewhere.
  public init(_ transaction: Transaction, signature: Signature) {
    self.transaction = transaction
    self.signature = signature
    raw = transaction.encoded(with: signature)
    hash = Keccak256.hash(raw)
  }

  /// Decodes the bytes that were sent.
  ///
  /// - Throws: `TransactionError` unless they are the one canonical encoding of a transaction whose
  ///   signature has low s and parts in range.
  public init(raw: [UInt8]) throws(TransactionError) {
    let decoder = try TransactionDecoder(raw: raw)
    (transaction, signature) = try decoder.decode()
    self.raw = raw
    hash = Keccak256.hash(raw)
  }

  /// The account that signed.
  ///
  /// It is recovered at every call: keep it.
  ///
  /// - Throws: `SignatureError.unrecoverable` when no key can have made the signature.
  public func sender() throws(SignatureError) -> Address {
    try signature.recoverAddress(transaction.signingHash)
  }

  /// The signature's v as JSON-RPC shows it: with the chain id in a legacy transaction, else the
  /// parity.
  public var v: Word { transaction.signatureV(signature.yParity) }
}
