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
