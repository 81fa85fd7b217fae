extension Transaction {
  /// The bytes whose digest is signed: the type, then the fields without the signature.
  ///
  /// A protected legacy transaction is signed with its chain id and two zeros in the signature's
  /// place (EIP-155).
  var signingBytes: [UInt8] {
    switch fee {
    case .legacy:
      guard let chainID else { return RLP.encode(.list(fields)) }
      return RLP.encode(.list(fields + [.integer(chainID), .integer(0), .integer(0)]))
    case .accessList, .feeMarket:
      return [fee.transactionType] + RLP.encode(.list(fields))
    }
  }

  /// The bytes that are sent: the type, then the fields and the signature.
  func encoded(with signature: Signature) -> [UInt8] {
    let v: RLP.Item = .integer(signatureV(signature.yParity))
    let all = fields + [v, .integer(signature.r), .integer(signature.s)]
    let payload = RLP.encode(.list(all))
    return fee.transactionType == 0 ? payload : [fee.transactionType] + payload
  }

  /// The number that stands for the parity: the parity itself in a typed transaction, 35 + 2·chain
  /// id + parity in a protected legacy one, 27 + parity in an unprotected one.
  func signatureV(_ yParity: UInt8) -> Word {
    guard case .legacy = fee else { return Word(UInt64(yParity)) }
    guard let chainID else { return Word(27 + UInt64(yParity)) }
    return Word(chainID) * 2 + Word(35 + UInt64(yParity))
  }

  private var fields: [RLP.Item] {
    let tail: [RLP.Item] = [
      .integer(gasLimit), .bytes(to?.bytes ?? []), .integer(value), .bytes(data),
    ]
    switch fee {
    case .legacy(let gasPrice):
      return [.integer(nonce), .integer(gasPrice)] + tail
    case .accessList(let gasPrice, let entries):
      return [chainItem, .integer(nonce), .integer(gasPrice)] + tail + [Self.item(entries)]
    case .feeMarket(let priority, let maxFee, let entries):
      let head: [RLP.Item] = [chainItem, .integer(nonce), .integer(priority), .integer(maxFee)]
      return head + tail + [Self.item(entries)]
    }
  }

  private var chainItem: RLP.Item {
    guard let chainID else { preconditionFailure("a typed transaction has a chain id") }
    return .integer(chainID)
  }

  private static func item(_ entries: [AccessListEntry]) -> RLP.Item {
    .list(
      entries.map { entry in
        .list([.address(entry.address), .list(entry.storageKeys.map { .hash($0) })])
      })
  }
}
