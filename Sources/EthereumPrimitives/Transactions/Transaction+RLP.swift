extension Transaction {
  /// The bytes whose digest is signed: the type, then the fields without the signature.
  ///
  /// A protected legacy transaction is signed with its chain id and two zeros in the signature's
  /// place (EIP-155).
  var signingBytes: [UInt8] {
    var writer = RLPWriter(capacity: data.count + 160)
    write(into: &writer)
    if case .legacy = fee, let chainID {
      writer.append(chainID)
      writer.append(0 as UInt64)
      writer.append(0 as UInt64)
    }
    return enveloped(writer.list())
  }

  /// The bytes that are sent: the type, then the fields and the signature.
  func encoded(with signature: Signature) -> [UInt8] {
    var writer = RLPWriter(capacity: data.count + 240)
    write(into: &writer)
    writer.append(signatureV(signature.yParity))
    writer.append(signature.r)
    writer.append(signature.s)
    return enveloped(writer.list())
  }

  /// The bytes of a transaction that is not signed yet, as go-ethereum has them: v, r and s are zero.
  public var unsignedBytes: [UInt8] {
    var writer = RLPWriter(capacity: data.count + 160)
    write(into: &writer)
    for _ in 0..<3 { writer.append(0 as UInt64) }
    return enveloped(writer.list())
  }

  /// A typed transaction has its type in front (EIP-2718).
  private func enveloped(_ payload: [UInt8]) -> [UInt8] {
    fee.transactionType == 0 ? payload : [fee.transactionType] + payload
  }

  /// The number that stands for the parity: the parity itself in a typed transaction, 35 + 2·chain
  /// id + parity in a protected legacy one, 27 + parity in an unprotected one.
  func signatureV(_ yParity: UInt8) -> Word {
    guard case .legacy = fee else { return Word(UInt64(yParity)) }
    guard let chainID else { return Word(27 + UInt64(yParity)) }
    return Word(chainID) * 2 + Word(35 + UInt64(yParity))
  }

  /// Writes the fields without the signature.
  private func write(into writer: inout RLPWriter) {
    if fee.transactionType > 0 {
      guard let chainID else { preconditionFailure("a typed transaction has a chain id") }
      writer.append(chainID)
    }
    writer.append(nonce)
    switch fee {
    case .legacy(let gasPrice), .accessList(let gasPrice, _): writer.append(gasPrice)
    case .feeMarket(let priority, let maxFee, _):
      writer.append(priority)
      writer.append(maxFee)
    }
    writer.append(gasLimit)
    if let to { writer.append(to) } else { writer.append([]) }
    writer.append(value)
    writer.append(data)
    if fee.transactionType > 0 { Self.write(fee.accessList, into: &writer) }
  }

  private static func write(_ entries: [AccessListEntry], into writer: inout RLPWriter) {
    var list = RLPWriter()
    for entry in entries {
      var keys = RLPWriter(capacity: 33 * entry.storageKeys.count)
      for key in entry.storageKeys { keys.append(key) }
      var item = RLPWriter(capacity: 33 * entry.storageKeys.count + 40)
      item.append(entry.address)
      item.append(encoded: keys.list())
      list.append(encoded: item.list())
    }
    writer.append(encoded: list.list())
  }
}

/// Reads the fields of an encoded transaction one after the other.
struct TransactionDecoder {
  private let type: UInt8
  private let items: [RLP.Item]

  init(raw: [UInt8]) throws(TransactionError) {
    // A typed transaction has more than its type.
    guard let first = raw.first, first > 0x7f || raw.count > 1 else { throw .empty }
    let payload: ArraySlice<UInt8>
    switch first {
    case 1, 2, Self.blobType: (type, payload) = (first, raw[1...])
    case 0xc0...: (type, payload) = (0, raw[...])
    default: throw .unsupportedType(first)
    }
    let item: RLP.Item
    do { item = try RLP.decode(payload) } catch { throw .rlp(error) }
    guard case .list(let items) = item else { throw .notAList }
    self.items = try type == Self.blobType ? Self.withoutSidecar(items) : items
    let expected = [9, 11, 12, 14][Int(type)]
    guard self.items.count == expected else {
      throw .wrongFieldCount(expected: expected, actual: self.items.count)
    }
  }

  func decode() throws(TransactionError) -> (Transaction, Signature) {
    switch type {
    case 0: return try decodeLegacy()
    case 1: return try decodeAccessList()
    case Self.blobType:
      // What is malformed is said first, as go-ethereum does.
      try checkBlobTransaction()
      throw .unsupportedType(type)
    default: return try decodeFeeMarket()
    }
  }

  private func decodeLegacy() throws(TransactionError) -> (Transaction, Signature) {
    let v = try word(6, .v)
    let chainID: UInt64?
    let yParity: UInt8
    if v == 27 || v == 28 {
      (chainID, yParity) = (nil, v == 27 ? 0 : 1)
    } else {
      guard v >= 35, let id = ((v - 35) / 2).exactUInt64() else { throw .invalidV(v) }
      (chainID, yParity) = (id, (v - 35) % 2 == 0 ? 0 : 1)
    }
    let fee = Transaction.Fee.legacy(gasPrice: try word(1, .gasPrice))
    let transaction = try transaction(chainID: chainID, nonceAt: 0, fee: fee, tailAt: 2)
    return (transaction, try signature(yParity: yParity, rAt: 7))
  }

  private func decodeAccessList() throws(TransactionError) -> (Transaction, Signature) {
    let fee = Transaction.Fee.accessList(
      gasPrice: try word(2, .gasPrice), try accessList(7))
    let chainID = try integer(0, .chainID)
    let transaction = try transaction(chainID: chainID, nonceAt: 1, fee: fee, tailAt: 3)
    return (transaction, try signature(yParity: try yParity(8), rAt: 9))
  }

  private func decodeFeeMarket() throws(TransactionError) -> (Transaction, Signature) {
    let fee = Transaction.Fee.feeMarket(
      maxPriorityFeePerGas: try word(2, .maxPriorityFeePerGas),
      maxFeePerGas: try word(3, .maxFeePerGas), try accessList(8))
    let chainID = try integer(0, .chainID)
    let transaction = try transaction(chainID: chainID, nonceAt: 1, fee: fee, tailAt: 4)
    return (transaction, try signature(yParity: try yParity(9), rAt: 10))
  }

  /// The type of a transaction with blobs (EIP-4844), which is checked and never taken.
  private static let blobType: UInt8 = 3

  /// The fields of a transaction with blobs, which travel alone or in a list with the blobs, their
  /// commitments and their proofs.
  private static func withoutSidecar(_ items: [RLP.Item]) throws(TransactionError) -> [RLP.Item] {
    // go-ethereum looks at the first field before it counts them.
    guard !items.isEmpty else { throw .noFirstField }
    guard case .list(let fields)? = items.first else { return items }
    guard items.count == 4 else { throw .wrongFieldCount(expected: 4, actual: items.count) }
    for (list, count) in zip(items.dropFirst(), [131_072, 48, 48]) {
      guard case .list(let parts) = list else { throw .unexpectedBytes(.sidecar) }
      for part in parts {
        guard case .bytes(let bytes) = part else { throw .unexpectedList(.sidecar) }
        guard bytes.count == count else {
          throw .wrongLength(.sidecar, expected: count, actual: bytes.count)
        }
      }
    }
    return fields
  }

  private func checkBlobTransaction() throws(TransactionError) {
    for (index, field) in [
      (0, .chainID), (2, .maxPriorityFeePerGas), (3, .maxFeePerGas), (6, .value),
      (9, .maxFeePerBlobGas), (11, .v), (12, .r), (13, .s),
    ] as [(Int, TransactionError.Field)] {
      _ = try word(index, field)
    }
    _ = try integer(1, .nonce)
    _ = try integer(4, .gasLimit)
    // It creates no contract: the recipient is always there.
    _ = try address(try bytes(5, .to), .to)
    _ = try bytes(7, .data)
    _ = try accessList(8)
    for hash in try list(items[10], .blobHashes) {
      let bytes = try bytes(hash, .blobHashes)
      guard bytes.count == 32 else {
        throw .wrongLength(.blobHashes, expected: 32, actual: bytes.count)
      }
    }
  }

  /// The fields that every type has: the nonce, then gas limit, recipient, value and data.
  private func transaction(
    chainID: UInt64?, nonceAt: Int, fee: Transaction.Fee, tailAt tail: Int
  ) throws(TransactionError) -> Transaction {
    Transaction(
      anyChainID: chainID, nonce: try integer(nonceAt, .nonce), fee: fee,
      gasLimit: try integer(tail, .gasLimit), to: try recipient(tail + 1),
      value: try word(tail + 2, .value), data: try bytes(tail + 3, .data))
  }

  private func signature(yParity: UInt8, rAt: Int) throws(TransactionError) -> Signature {
    let r = try word(rAt, .r)
    let s = try word(rAt + 1, .s)
    do {
      return try Signature(r: r, s: s, yParity: yParity)
    } catch { throw .signature(error) }
  }

  private func yParity(_ index: Int) throws(TransactionError) -> UInt8 {
    let parity = try word(index, .v)
    guard parity <= 1 else { throw .invalidV(parity) }
    return parity.isZero ? 0 : 1
  }

  private func recipient(_ index: Int) throws(TransactionError) -> Address? {
    let bytes = try bytes(index, .to)
    return bytes.isEmpty ? nil : try address(bytes, .to)
  }

  private func accessList(_ index: Int) throws(TransactionError) -> [AccessListEntry] {
    var entries: [AccessListEntry] = []
    for entry in try list(items[index], .accessList) {
      let parts = try list(entry, .accessList)
      guard parts.count == 2 else {
        throw .wrongFieldCount(expected: 2, actual: parts.count)
      }
      let address = try address(try bytes(parts[0], .accessList), .accessList)
      var keys: [Hash32] = []
      for key in try list(parts[1], .accessList) {
        let bytes = try bytes(key, .accessList)
        do { keys.append(try Hash32(bytes: bytes)) } catch {
          throw .wrongLength(.accessList, expected: 32, actual: bytes.count)
        }
      }
      entries.append(AccessListEntry(address: address, storageKeys: keys))
    }
    return entries
  }

  private func address(
    _ bytes: [UInt8], _ field: TransactionError.Field
  ) throws(TransactionError) -> Address {
    do { return try Address(bytes: bytes) } catch {
      throw .wrongLength(field, expected: 20, actual: bytes.count)
    }
  }

  private func integer(
    _ index: Int, _ field: TransactionError.Field
  ) throws(TransactionError) -> UInt64 {
    guard let value = try word(index, field).exactUInt64() else {
      throw .tooLarge(field, bits: 64)
    }
    return value
  }

  private func word(
    _ index: Int, _ field: TransactionError.Field
  ) throws(TransactionError) -> Word {
    let bytes = try bytes(index, field)
    guard bytes.first != 0 else { throw .leadingZero(field) }
    do { return try Word(bigEndian: bytes) } catch { throw .tooLarge(field, bits: 256) }
  }

  private func bytes(
    _ index: Int, _ field: TransactionError.Field
  ) throws(TransactionError) -> [UInt8] {
    try bytes(items[index], field)
  }

  private func bytes(
    _ item: RLP.Item, _ field: TransactionError.Field
  ) throws(TransactionError) -> [UInt8] {
    guard case .bytes(let bytes) = item else { throw .unexpectedList(field) }
    return bytes
  }

  private func list(
    _ item: RLP.Item, _ field: TransactionError.Field
  ) throws(TransactionError) -> [RLP.Item] {
    guard case .list(let items) = item else { throw .unexpectedBytes(field) }
    return items
  }
}
