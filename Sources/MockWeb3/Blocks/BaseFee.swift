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
    let change = baseFee * distance / Word(target) / Word(maxChangeDenominator)
    return gasUsed > target ? baseFee + max(change, 1) : baseFee - change
  }
}
