public import EthereumPrimitives

/// What code sees of the block that it runs in.
public struct BlockContext: Hashable, Sendable {
  /// How many blocks are before it.
  public var number: UInt64
  /// Seconds since 1970.
  public var timestamp: UInt64
  /// Who gets the tips.
  public var coinbase: Address
  /// The most gas that its transactions may use.
  public var gasLimit: UInt64
  /// Wei a unit of gas that is burnt (EIP-1559).
  public var baseFee: Word
  /// What 0x44 answers in London.
  public var difficulty: Word
  /// What 0x44 answers from Paris on (EIP-4399).
  public var random: Word
  /// Wei a unit of blob gas (EIP-7516); 1 is the least.
  public var blobBaseFee: Word
  /// The chain's id (EIP-155).
  public var chainID: UInt64

  /// A block.
  public init(
    number: UInt64 = 0, timestamp: UInt64 = 0, coinbase: Address = .zero,
    gasLimit: UInt64 = 30_000_000, baseFee: Word = .zero, difficulty: Word = .zero,
    random: Word = .zero, blobBaseFee: Word = 1, chainID: UInt64
  ) {
    self.number = number
    self.timestamp = timestamp
    self.coinbase = coinbase
    self.gasLimit = gasLimit
    self.baseFee = baseFee
    self.difficulty = difficulty
    self.random = random
    self.blobBaseFee = blobBaseFee
    self.chainID = chainID
  }

  /// What a unit of blob gas costs when so much was used beyond the target (EIP-4844), in wei.
  /// - Parameter excess: above 10⁹ the price is the largest word: nobody can pay it.
  public static func blobBaseFee(excess: UInt64) -> Word {
    guard excess <= 1_000_000_000 else { return excess == 0 ? 1 : .max }
    let (numerator, denominator) = (Word(excess), Word(3_338_477))
    var (sum, term, index) = (Word.zero, denominator, Word(1))
    while term.isSet {
      let (next, overflow) = sum.addingReportingOverflow(term)
      let (product, second) = term.multipliedReportingOverflow(by: numerator)
      if overflow || second { return .max }
      sum = next
      term = product / (denominator * index)
      index += 1
    }
    return sum / denominator
  }
}
