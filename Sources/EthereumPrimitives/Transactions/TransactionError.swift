/// Why bytes are not an encoded transaction.
public enum TransactionError: Error, Hashable, Sendable, CustomStringConvertible {
  /// A field of a transaction.
  public enum Field: String, Hashable, Sendable {
    case chainID, nonce, gasPrice, maxPriorityFeePerGas, maxFeePerGas, gasLimit, to, value, data
    case accessList, v, r, s
  }

  /// There are no bytes.
  case empty
  /// The first byte names a type that is not known (EIP-2718).
  case unsupportedType(UInt8)
  /// The payload is not canonical RLP.
  case rlp(RLPError)
  /// The payload is a byte string.
  case notAList
  /// A list has more or fewer fields than its kind.
  case wrongFieldCount(expected: Int, actual: Int)
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

  // Where go-ethereum has words for it they come first: they reach users through JSON-RPC.
  /// What is wrong, in one line.
  public var description: String {
    switch self {
    case .empty: "typed transaction too short"
    case .unsupportedType: "transaction type not supported"
    case .rlp(let error): "\(error)"
    case .notAList: "rlp: expected input list for a transaction"
    case .wrongFieldCount(let expected, let actual):
      "rlp: too \(actual < expected ? "few" : "many") elements for a transaction "
        + "(\(actual) instead of \(expected))"
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
