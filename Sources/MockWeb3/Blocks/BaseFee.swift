package import EthereumPrimitives

/// The base fee's rule (EIP-1559).
package enum BaseFee {
  static let elasticity: UInt64 = 2
  static let maxChangeDenominator: UInt64 = 8
  /// The base fee of the first block: 1 gwei.
  package static let initial: Word = 1_000_000_000

  /// The base fee of the block after one that used some gas of its limit.
  package static func next(after baseFee: Word, gasUsed: UInt64, gasLimit: UInt64) -> Word {
    let target = gasLimit / elasticity
    guard gasUsed != target, target > 0 else { return baseFee }
    let distance = Word(gasUsed > target ? gasUsed - target : target - gasUsed)
    let (product, overflow) = baseFee.multipliedReportingOverflow(by: distance)
    // Beyond 256 bits it is divided first: nobody pays so much that the last digits count.
    let change =
      overflow
      ? (baseFee / Word(target) / Word(maxChangeDenominator))
        .multipliedReportingOverflow(by: distance).partialValue
      : product / Word(target) / Word(maxChangeDenominator)
    return gasUsed > target ? baseFee.adding(max(change, 1), upTo: .max) : baseFee - change
  }

  /// The base fee of the block after another one.
  static func next(after header: BlockHeader) -> Word {
    next(after: header.baseFeePerGas, gasUsed: header.gasUsed, gasLimit: header.gasLimit)
  }
}
