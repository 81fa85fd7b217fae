import EthereumPrimitives
import Testing

@Suite("Transactions")
struct TransactionTests {
  @Test("Signing gives the bytes of another implementation", arguments: Vectors.all.transactions)
  func signing(_ vector: Vectors.SignedTransfer) throws {
    let key = try SecretKey(hex: vector.privateKey)
    let signed = try vector.transaction.parsed().signed(with: key)
    #expect(Hex.encode(signed.raw) == vector.raw)
    #expect(signed.hash.hex == vector.hash)
    #expect(Quantity.encode(signed.signature.r) == vector.r)
    #expect(Quantity.encode(signed.signature.s) == vector.s)
    #expect(signed.v == Word(vector.v))
  }

  @Test("Decoding gives the fields and the sender", arguments: Vectors.all.transactions)
  func decoding(_ vector: Vectors.SignedTransfer) throws {
    let decoded = try SignedTransaction(raw: Hex.decode(vector.raw))
    #expect(decoded.transaction == (try vector.transaction.parsed()))
    #expect(decoded.hash.hex == vector.hash)
    #expect(try decoded.sender().checksummed == vector.from)
  }

  @Test("What is decoded encodes to the same bytes", arguments: Vectors.all.transactions)
  func roundTrip(_ vector: Vectors.SignedTransfer) throws {
    let decoded = try SignedTransaction(raw: Hex.decode(vector.raw))
    let again = SignedTransaction(decoded.transaction, signature: decoded.signature)
    #expect(again == decoded)
  }

  @Test("An unprotected transaction has no chain id and v 27 or 28")
  func unprotected() throws {
    let key = try SecretKey(hex: Vectors.all.keys[0].privateKey)
    let transaction = Transaction.unprotected(
      nonce: 3, gasPrice: 1, gasLimit: 21000, to: .zero, value: 7)
    let signed = transaction.signed(with: key)
    let decoded = try SignedTransaction(raw: signed.raw)
    #expect(decoded == signed)
    #expect(decoded.transaction.chainID == nil)
    #expect(decoded.v == 27 || decoded.v == 28)
    #expect(try decoded.sender() == key.address)
  }

  @Test("A transaction without recipient creates a contract and survives the way")
  func creation() throws {
    let key = try SecretKey(hex: Vectors.all.keys[0].privateKey)
    let transaction = Transaction(
      chainID: 1, nonce: .max, fee: .legacy(gasPrice: .max), gasLimit: .max, to: nil, value: .max,
      data: [0])
    #expect(
      try SignedTransaction(raw: transaction.signed(with: key).raw).transaction == transaction)
  }

  @Test("The largest chain id keeps its v", arguments: [0, 1, UInt64.max])
  func chainIDs(_ chainID: UInt64) throws {
    let key = try SecretKey(hex: Vectors.all.keys[0].privateKey)
    let signed = Transaction(
      chainID: chainID, nonce: 0, fee: .legacy(gasPrice: 1), gasLimit: 21000, to: .zero
    ).signed(with: key)
    #expect(signed.v == Word(chainID) * 2 + 35 + Word(UInt64(signed.signature.yParity)))
    #expect(try SignedTransaction(raw: signed.raw) == signed)
  }

  @Test(
    "The price of gas in a block is the base fee and as much of the tip as fits",
    arguments: [
      (baseFee: 10 as Word, price: 12 as Word?), (19, 20), (20, 20), (21, nil),
    ])
  func effectivePrice(_ baseFee: Word, _ price: Word?) {
    let fee = Transaction.Fee.feeMarket(maxPriorityFeePerGas: 2, maxFeePerGas: 20, [])
    #expect(fee.effectiveGasPrice(baseFee: baseFee) == price)
  }
}

extension Vectors.Fields {
  func parsed() throws -> Transaction {
    Transaction(
      chainID: try #require(UInt64(chainId)), nonce: try #require(UInt64(nonce)), fee: try fee(),
      gasLimit: try #require(UInt64(gas)), to: try Address(checksummed: to),
      value: try Word(decimal: value), data: try Hex.decode(data))
  }

  private func fee() throws -> Transaction.Fee {
    let entries = try (accessList ?? []).map { entry in
      AccessListEntry(
        address: try Address(entry.address),
        storageKeys: try entry.storageKeys.map { try Hash32($0) }
      )
    }
    switch type {
    case nil: return .legacy(gasPrice: try word(gasPrice))
    case "1": return .accessList(gasPrice: try word(gasPrice), entries)
    default:
      return .feeMarket(
        maxPriorityFeePerGas: try word(maxPriorityFeePerGas), maxFeePerGas: try word(maxFeePerGas),
        entries)
    }
  }

  private func word(_ text: String?) throws -> Word { try Word(decimal: #require(text)) }
}

@Suite("Transactions that are refused")
struct TransactionRefusalTests {
  static let key = Vectors.all.keys[0].privateKey

  /// The payload's fields of a signed transaction of each type, and the type's byte, if any.
  static func fields(type: Int) throws -> (prefix: [UInt8], items: [RLP.Item]) {
    let entry = AccessListEntry(address: .precompile(0x21), storageKeys: [.zero])
    let fee: Transaction.Fee = [
      .legacy(gasPrice: 9), .accessList(gasPrice: 9, [entry]),
      .feeMarket(maxPriorityFeePerGas: 8, maxFeePerGas: 9, [entry]),
    ][type]
    let signed = Transaction(
      chainID: 41956, nonce: 7, fee: fee, gasLimit: 21000, to: .precompile(0x21), value: 5,
      data: [1, 2]
    ).signed(with: try SecretKey(hex: key))
    let prefix = type == 0 ? [] : [UInt8(type)]
    guard case .list(let items) = try RLP.decode(signed.raw.dropFirst(prefix.count)) else {
      throw TransactionError.notAList
    }
    return (prefix, items)
  }

  struct Slip: Sendable, CustomTestStringConvertible {
    let type, field: Int
    let value: RLP.Item
    let error: TransactionError
    var testDescription: String { "type \(type), field \(field): \(error)" }
  }

  static let slips: [Slip] = [
    // Leading zeros, too many bits, lists for bytes.
    Slip(type: 0, field: 0, value: .bytes([0]), error: .leadingZero(.nonce)),
    Slip(type: 0, field: 0, value: .bytes([0, 7]), error: .leadingZero(.nonce)),
    Slip(type: 0, field: 0, value: .integer(1 << 64), error: .tooLarge(.nonce, bits: 64)),
    Slip(type: 0, field: 0, value: .list([]), error: .unexpectedList(.nonce)),
    Slip(type: 0, field: 1, value: .bytes([0, 9]), error: .leadingZero(.gasPrice)),
    Slip(
      type: 0, field: 1, value: .bytes([UInt8](repeating: 1, count: 33)),
      error: .tooLarge(.gasPrice, bits: 256)),
    Slip(type: 0, field: 2, value: .bytes([0]), error: .leadingZero(.gasLimit)),
    Slip(type: 0, field: 2, value: .integer(1 << 64), error: .tooLarge(.gasLimit, bits: 64)),
    Slip(type: 0, field: 3, value: .bytes([1]), error: .wrongLength(.to, expected: 20, actual: 1)),
    Slip(
      type: 0, field: 3, value: .bytes([UInt8](repeating: 0, count: 21)),
      error: .wrongLength(.to, expected: 20, actual: 21)),
    Slip(type: 0, field: 3, value: .list([]), error: .unexpectedList(.to)),
    Slip(type: 0, field: 4, value: .bytes([0]), error: .leadingZero(.value)),
    Slip(type: 0, field: 5, value: .list([.bytes([1])]), error: .unexpectedList(.data)),
    // v that stands for no parity.
    Slip(type: 0, field: 6, value: .integer(0), error: .invalidV(0)),
    Slip(type: 0, field: 6, value: .integer(1), error: .invalidV(1)),
    Slip(type: 0, field: 6, value: .integer(26), error: .invalidV(26)),
    Slip(type: 0, field: 6, value: .integer(29), error: .invalidV(29)),
    Slip(type: 0, field: 6, value: .integer(34), error: .invalidV(34)),
    Slip(type: 0, field: 6, value: .integer(Word.max), error: .invalidV(.max)),
    Slip(type: 0, field: 6, value: .bytes([0, 27]), error: .leadingZero(.v)),
    Slip(type: 1, field: 8, value: .integer(2), error: .invalidV(2)),
    Slip(type: 2, field: 9, value: .integer(27), error: .invalidV(27)),
    Slip(type: 2, field: 9, value: .bytes([0]), error: .leadingZero(.v)),
    // Parts of the signature out of range.
    Slip(type: 0, field: 7, value: .integer(0), error: .signature(.rOutOfRange(0))),
    Slip(
      type: 0, field: 7, value: .integer(Signature.order),
      error: .signature(.rOutOfRange(Signature.order))),
    Slip(type: 0, field: 7, value: .bytes([0, 1]), error: .leadingZero(.r)),
    Slip(type: 0, field: 8, value: .integer(0), error: .signature(.sOutOfRange(0))),
    Slip(
      type: 0, field: 8, value: .integer(Signature.order),
      error: .signature(.sOutOfRange(Signature.order))),
    Slip(
      type: 0, field: 8, value: .integer(Signature.largestLowS + 1),
      error: .signature(.highS(Signature.largestLowS + 1))),
    Slip(
      type: 1, field: 10, value: .integer(Signature.order - 1),
      error: .signature(.highS(Signature.order - 1))),
    Slip(type: 2, field: 10, value: .integer(Word.max), error: .signature(.rOutOfRange(.max))),
    Slip(
      type: 2, field: 11, value: .integer(Signature.order - 1),
      error: .signature(.highS(Signature.order - 1))),
    // What only typed transactions have.
    Slip(type: 1, field: 0, value: .bytes([0]), error: .leadingZero(.chainID)),
    Slip(type: 1, field: 0, value: .integer(1 << 64), error: .tooLarge(.chainID, bits: 64)),
    Slip(type: 2, field: 2, value: .bytes([0]), error: .leadingZero(.maxPriorityFeePerGas)),
    Slip(type: 2, field: 3, value: .bytes([0]), error: .leadingZero(.maxFeePerGas)),
    Slip(type: 1, field: 7, value: .bytes([]), error: .unexpectedBytes(.accessList)),
    Slip(type: 1, field: 7, value: .list([.bytes([])]), error: .unexpectedBytes(.accessList)),
    Slip(
      type: 2, field: 8, value: .list([.list([])]), error: .wrongFieldCount(expected: 2, actual: 0)),
    Slip(
      type: 2, field: 8, value: .list([.list([.bytes([1]), .list([])])]),
      error: .wrongLength(.accessList, expected: 20, actual: 1)),
    Slip(
      type: 2, field: 8, value: .list([.list([.address(.zero), .bytes([])])]),
      error: .unexpectedBytes(.accessList)),
    Slip(
      type: 2, field: 8, value: .list([.list([.address(.zero), .list([.bytes([1])])])]),
      error: .wrongLength(.accessList, expected: 32, actual: 1)),
  ]

  @Test("A field that is not in its one form is refused by name", arguments: slips)
  func field(_ slip: Slip) throws {
    var (prefix, items) = try Self.fields(type: slip.type)
    items[slip.field] = slip.value
    let raw = prefix + RLP.encode(.list(items))
    #expect(throws: slip.error) { try SignedTransaction(raw: raw) }
  }

  @Test(
    "One field too few or too many is refused with the counts",
    arguments: [(0, 9), (1, 11), (2, 12)])
  func fieldCount(_ type: Int, _ count: Int) throws {
    let (prefix, items) = try Self.fields(type: type)
    #expect(items.count == count)
    let few = prefix + RLP.encode(.list(Array(items.dropLast())))
    let many = prefix + RLP.encode(.list(items + [.integer(0)]))
    #expect(throws: TransactionError.wrongFieldCount(expected: count, actual: count - 1)) {
      try SignedTransaction(raw: few)
    }
    #expect(throws: TransactionError.wrongFieldCount(expected: count, actual: count + 1)) {
      try SignedTransaction(raw: many)
    }
  }

  @Test(
    "A first byte that is no type is refused with its value",
    arguments: [0x00, 0x04, 0x7f, 0x80, 0xbf] as [UInt8])
  func unknownType(_ type: UInt8) throws {
    let raw = [type] + RLP.encode(.list(try Self.fields(type: 2).items))
    #expect(throws: TransactionError.unsupportedType(type)) { try SignedTransaction(raw: raw) }
  }

  @Test("Nothing, trailing bytes and a byte string are refused")
  func frames() throws {
    let (prefix, items) = try Self.fields(type: 1)
    let raw = prefix + RLP.encode(.list(items))
    #expect(throws: TransactionError.empty) { try SignedTransaction(raw: []) }
    let offset = raw.count - 1
    #expect(throws: TransactionError.rlp(.trailingBytes(offset: offset, count: 1))) {
      try SignedTransaction(raw: raw + [0])
    }
    #expect(throws: TransactionError.notAList) { try SignedTransaction(raw: [1, 0x80]) }
    for type: UInt8 in 0...0x7f {
      #expect(throws: TransactionError.empty) { try SignedTransaction(raw: [type]) }
    }
  }

  @Test("Every cut of a transaction is refused", arguments: [0, 1, 2])
  func cuts(_ type: Int) throws {
    let (prefix, items) = try Self.fields(type: type)
    let raw = prefix + RLP.encode(.list(items))
    for count in 0..<raw.count {
      #expect(throws: TransactionError.self) { try SignedTransaction(raw: Array(raw[..<count])) }
    }
  }

  @Test(
    "A transaction with one bit flipped is refused or has another sender", arguments: [0, 1, 2])
  func bitFlips(_ type: Int) throws {
    let (prefix, items) = try Self.fields(type: type)
    let raw = prefix + RLP.encode(.list(items))
    let sender = try SecretKey(hex: Self.key).address
    for bit in 0..<(raw.count * 8) {
      var flipped = raw
      flipped[bit / 8] ^= 1 << UInt8(bit % 8)
      // What is refused has no sender.
      guard let transaction = try? SignedTransaction(raw: flipped) else { continue }
      let recovered = try? transaction.sender()
      #expect(recovered != sender, "bit \(bit)")
      #expect(
        transaction.raw
          == SignedTransaction(transaction.transaction, signature: transaction.signature).raw)
    }
  }

  @Test("The words of an error are those that clients of go-ethereum know")
  func words() {
    #expect(TransactionError.unsupportedType(3).description == "transaction type not supported")
    #expect(
      TransactionError.leadingZero(.nonce).description.hasPrefix("rlp: non-canonical integer"))
    #expect(
      TransactionError.rlp(.needlessPrefix(offset: 1)).description.hasPrefix(
        "rlp: non-canonical size information"))
    #expect(
      TransactionError.wrongFieldCount(expected: 9, actual: 8).description
        == "rlp: too few elements for types.LegacyTx")
    #expect(
      TransactionError.wrongFieldCount(expected: 12, actual: 13).description
        == "rlp: input list has too many elements for types.DynamicFeeTx")
  }
}
