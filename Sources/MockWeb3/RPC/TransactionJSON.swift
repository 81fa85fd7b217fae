import EthereumPrimitives
import PlumiseWire

extension SentTransaction {
  /// Where a transaction was mined.
  struct Place {
    let block: Block
    let index: Int
  }

  /// The transaction as JSON-RPC shows it.
  /// - Parameter place: nil while it waits.
  func json(place: Place?) -> JSON {
    var members: [(String, JSON)] = [
      ("blockHash", place.map { .hash($0.block.hash) } ?? .null),
      ("blockNumber", place.map { .quantity($0.block.number) } ?? .null),
      ("from", .address(sender)),
      ("gas", .quantity(transaction.gasLimit)),
      ("gasPrice", .quantity(gasPrice(place))),
    ]
    if case .feeMarket(let tip, let maximum, _) = transaction.fee {
      members.append(("maxFeePerGas", .quantity(maximum)))
      members.append(("maxPriorityFeePerGas", .quantity(tip)))
    }
    members += [
      ("hash", .hash(hash)),
      ("input", .hex(transaction.data)),
      ("nonce", .quantity(transaction.nonce)),
      ("to", transaction.to.map { .address($0) } ?? .null),
      ("transactionIndex", place.map { .quantity(UInt64($0.index)) } ?? .null),
      ("value", .quantity(transaction.value)),
      ("type", .quantity(UInt64(transaction.fee.transactionType))),
    ]
    if transaction.fee.transactionType > 0 {
      members.append(("accessList", accessList))
    }
    if let chainID = transaction.chainID { members.append(("chainId", .quantity(chainID))) }
    members += [
      ("v", .quantity(signed.v)),
      ("r", .quantity(signed.signature.r)),
      ("s", .quantity(signed.signature.s)),
    ]
    if transaction.fee.transactionType > 0 {
      members.append(("yParity", .quantity(UInt64(signed.signature.yParity))))
    }
    return .object(JSONObject(uniqueMembers: members))
  }

  /// What was paid for a unit of gas, or while the transaction waits the most that may be.
  private func gasPrice(_ place: Place?) -> Word {
    place.map { $0.block.receipts[$0.index].effectiveGasPrice } ?? transaction.fee.maxFeePerGas
  }

  private var accessList: JSON {
    .array(
      transaction.fee.accessList.map { entry in
        [
          "address": .address(entry.address),
          "storageKeys": .array(entry.storageKeys.map { .hash($0) }),
        ]
      })
  }
}
