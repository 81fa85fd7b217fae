/// A transaction before it is signed.
///
/// Every combination of its parts is one that Ethereum can express: only a legacy transaction may
/// lack a chain id, and only `unprotected` makes one.
public struct Transaction: Hashable, Sendable {
  /// How the sender pays for gas, which also decides the transaction's type.
  public enum Fee: Hashable, Sendable {
    /// Type 0: one price, in wei a unit of gas.
    case legacy(gasPrice: Word)
    /// Type 1 (EIP-2930): one price, and an access list.
    case accessList(gasPrice: Word, [AccessListEntry])
    /// Type 2 (EIP-1559): the highest tip, the highest price, and an access list.
    case feeMarket(maxPriorityFeePerGas: Word, maxFeePerGas: Word, [AccessListEntry])
  }

  /// The chain that the signature is bound to; nil in an unprotected legacy transaction.
  public let chainID: UInt64?
  /// How many transactions the sender has sent before this one.
  public let nonce: UInt64
  /// How the sender pays for gas.
  public let fee: Fee
  /// The most gas that the transaction may use.
  public let gasLimit: UInt64
  /// The account that is called, or nil to create a contract.
  public let to: Address?
  /// The transferred amount in wei.
  public let value: Word
  /// The call's input, or the code that creates a contract.
  public let data: [UInt8]

  /// A transaction that is valid on one chain only.
  public init(
    chainID: UInt64, nonce: UInt64, fee: Fee, gasLimit: UInt64, to: Address?, value: Word = .zero,
    data: [UInt8] = []
  ) {
    self.init(
      anyChainID: chainID, nonce: nonce, fee: fee, gasLimit: gasLimit, to: to, value: value,
      data: data)
  }

  /// A legacy transaction from before EIP-155, valid on every chain; most nodes refuse it.
  public static func unprotected(
    nonce: UInt64, gasPrice: Word, gasLimit: UInt64, to: Address?, value: Word = .zero,
    data: [UInt8] = []
  ) -> Transaction {
    Transaction(
      anyChainID: nil, nonce: nonce, fee: .legacy(gasPrice: gasPrice), gasLimit: gasLimit, to: to,
      value: value, data: data)
  }

  init(
    anyChainID chainID: UInt64?, nonce: UInt64, fee: Fee, gasLimit: UInt64, to: Address?,
    value: Word, data: [UInt8]
  ) {
    self.chainID = chainID
    self.nonce = nonce
    self.fee = fee
    self.gasLimit = gasLimit
    self.to = to
    self.value = value
    self.data = data
  }

  /// The digest that the sender signs.
  public var signingHash: Hash32 { Keccak256.hash(signingBytes) }

  /// Signs the transaction.
  public func signed(with key: SecretKey) -> SignedTransaction {
    SignedTransaction(self, signature: key.sign(signingHash))
  }
}

extension Transaction.Fee {
  /// The number of EIP-2718: 0, 1 or 2.
  public var transactionType: UInt8 {
    switch self {
    case .legacy: 0
    case .accessList: 1
    case .feeMarket: 2
    }
  }

  /// The addresses and slots that the transaction declares to access; empty in a legacy one.
  public var accessList: [AccessListEntry] {
    switch self {
    case .legacy: []
    case .accessList(_, let entries), .feeMarket(_, _, let entries): entries
    }
  }

  /// The most that a unit of gas may cost, in wei.
  public var maxFeePerGas: Word {
    switch self {
    case .legacy(let price), .accessList(let price, _): price
    case .feeMarket(_, let maxFee, _): maxFee
    }
  }

  /// The most of it that may go to the miner, in wei.
  public var maxPriorityFeePerGas: Word {
    switch self {
    case .legacy(let price), .accessList(let price, _): price
    case .feeMarket(let priority, _, _): priority
    }
  }

  /// The price of a unit of gas in a block, in wei; nil when the fee cap is below its base fee.
  public func effectiveGasPrice(baseFee: Word) -> Word? {
    guard maxFeePerGas >= baseFee else { return nil }
    let tip = min(maxPriorityFeePerGas, maxFeePerGas - baseFee)
    return baseFee + tip
  }
}

/// An account and the storage slots of it that a transaction says it will touch (EIP-2930).
public struct AccessListEntry: Hashable, Sendable {
  /// The account.
  public let address: Address
  /// The slots of its storage.
  public let storageKeys: [Hash32]

  /// An entry of an access list.
  public init(address: Address, storageKeys: [Hash32]) {
    self.address = address
    self.storageKeys = storageKeys
  }
}

/// A transaction with its signature, as it travels.
public struct SignedTransaction: Hashable, Sendable {
  /// The transaction without its signature.
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

/// Why bytes are not an encoded transaction.
public enum TransactionError: Error, Hashable, Sendable, CustomStringConvertible {
  /// A field of a transaction.
  public enum Field: String, Hashable, Sendable {
    case chainID, nonce, gasPrice, maxPriorityFeePerGas, maxFeePerGas, gasLimit, to, value, data
    case accessList, maxFeePerBlobGas, blobHashes, sidecar, v, r, s
  }

  /// There are no bytes, or only a type's.
  case empty
  /// The first byte names a type that is not known (EIP-2718), or that of a whole transaction with
  /// blobs (EIP-4844), which ``SignedTransaction`` does not hold.
  case unsupportedType(UInt8)
  /// The payload is not canonical RLP.
  case rlp(RLPError)
  /// The payload is a byte string.
  case notAList
  /// A list has more or fewer fields than its kind.
  case wrongFieldCount(expected: Int, actual: Int)
  /// A transaction with blobs has no field at all.
  case noFirstField
  /// A list stands where bytes belong.
  case unexpectedList(Field)
  /// Bytes stand where a list belongs.
  case unexpectedBytes(Field)
  /// An integer begins with a zero byte.
  case leadingZero(Field)
  /// An integer has more bits than its field.
  case tooLarge(Field, bits: Int)
  /// An address or a storage key has a wrong length, in bytes.
  case wrongLength(Field, expected: Int, actual: Int)
  /// v is neither a parity nor one of the numbers that stand for it.
  case invalidV(Word)
  /// The signature's parts are out of range.
  case signature(SignatureError)

  /// The structure of go-ethereum that has so many fields.
  private static func structure(ofFields count: Int) -> String {
    switch count {
    case 2: "types.AccessTuple"
    case 4: "types.blobTxWithBlobs"
    case 9: "types.LegacyTx"
    case 11: "types.AccessListTx"
    case 14: "types.BlobTx"
    default: "types.DynamicFeeTx"
    }
  }

  // Where go-ethereum has words for it they come first: they reach users through JSON-RPC.
  /// One line that says what is wrong.
  public var description: String {
    switch self {
    case .empty: "typed transaction too short"
    case .unsupportedType(let type) where type > 0x7f: "rlp: expected input list for types.LegacyTx"
    case .unsupportedType: "transaction type not supported"
    case .rlp(let error): "\(error)"
    case .notAList: "rlp: expected input list for a transaction"
    case .wrongFieldCount(let expected, let actual):
      "rlp: \(actual < expected ? "too few elements" : "input list has too many elements") for "
        + Self.structure(ofFields: expected)
    case .noFirstField: "unexpected EOF"
    case .unexpectedList(let field): "rlp: expected input string or byte for \(field.rawValue)"
    case .unexpectedBytes(let field): "rlp: expected input list for \(field.rawValue)"
    case .leadingZero(let field):
      "rlp: non-canonical integer (leading zero bytes) for \(field.rawValue)"
    case .tooLarge(let field, let bits):
      "rlp: input string too long for \(field.rawValue) (more than \(bits) bits)"
    case .wrongLength(let field, let expected, let actual):
      "rlp: input string too \(actual < expected ? "short" : "long") for \(field.rawValue) "
        + "(\(actual) bytes instead of \(expected))"
    case .invalidV(let v): "invalid transaction v, r, s values (v is \(v))"
    case .signature(let error): "invalid transaction v, r, s values (\(error))"
    }
  }
}
