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
