package import EthereumPrimitives

/// The gas that a transaction costs before any program runs (yellow paper, §6.2; EIP-2028,
/// EIP-2930).
package enum IntrinsicGas {
  static let transaction: UInt64 = 21_000
  static let creation: UInt64 = 53_000
  static let zeroByte: UInt64 = 4
  static let nonzeroByte: UInt64 = 16
  static let accessListAddress: UInt64 = 2_400
  static let accessListKey: UInt64 = 1_900

  package static func of(
    data: [UInt8], accessList: [AccessListEntry] = [], isCreation: Bool = false
  ) -> UInt64 {
    let zeros = UInt64(data.count { $0 == 0 })
    let keys = accessList.reduce(0) { $0 + UInt64($1.storageKeys.count) }
    return (isCreation ? creation : transaction) + zeros * zeroByte
      + (UInt64(data.count) - zeros) * nonzeroByte
      + UInt64(accessList.count) * accessListAddress + keys * accessListKey
  }

  package static func of(_ transaction: Transaction) -> UInt64 {
    of(
      data: transaction.data, accessList: transaction.fee.accessList,
      isCreation: transaction.to == nil)
  }
}
