public import EthereumPrimitives

/// The gas that a transaction costs before any code runs (yellow paper, §6.2; EIP-2028, EIP-2930,
/// EIP-3860).
public enum IntrinsicGas {
  /// What a transaction costs under the rules of a hard fork.
  public static func of(_ transaction: Transaction, fork: Hardfork) -> UInt64 {
    let zeros = UInt64(transaction.data.count { $0 == 0 })
    let others = UInt64(transaction.data.count) - zeros
    let list = transaction.fee.accessList
    let keys = list.reduce(0) { $0 + UInt64($1.storageKeys.count) }
    var gas = zeros * 4 + others * 16 + UInt64(list.count) * 2_400 + keys * 1_900
    gas += transaction.to == nil ? 53_000 : 21_000
    if transaction.to == nil, fork >= .shanghai {
      gas += Gas.initCodeWord * Gas.words(transaction.data.count)
    }
    return gas
  }
}
