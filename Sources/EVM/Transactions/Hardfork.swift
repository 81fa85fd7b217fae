public import EthereumPrimitives

/// Which rules code runs by.
public enum Hardfork: String, Hashable, Sendable, CaseIterable {
  /// August 2021: BASEFEE, lower refunds; 0x44 reads the block's difficulty.
  case london
  /// September 2022: 0x44 reads the block's random value.
  case paris
  /// April 2023: PUSH0, a warm coinbase, a price and a limit for init code.
  case shanghai
  /// March 2024: transient storage, MCOPY, BLOBHASH, BLOBBASEFEE, and SELFDESTRUCT that deletes only
  /// what the same transaction created.
  case cancun
}

extension Hardfork: Comparable {
  /// Whether the left one came first.
  public static func < (left: Hardfork, right: Hardfork) -> Bool { left.order < right.order }

  private var order: Int {
    switch self {
    case .london: 0
    case .paris: 1
    case .shanghai: 2
    case .cancun: 3
    }
  }
}

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

/// Prices and limits that do not depend on the hard fork (yellow paper, appendix G; EIP-2929,
/// EIP-3529, EIP-3860).
enum Gas {
  static let coldAccount: UInt64 = 2_600
  static let coldSlot: UInt64 = 2_100
  static let warmAccess: UInt64 = 100
  static let slotSet: UInt64 = 20_000
  static let slotReset: UInt64 = 2_900
  static let slotClearRefund: Int64 = 4_800
  /// SSTORE refuses to run with so little left, so that a call's stipend cannot pay for it
  /// (EIP-2200).
  static let slotSentry: UInt64 = 2_300
  static let callValue: UInt64 = 9_000
  static let callStipend: UInt64 = 2_300
  static let newAccount: UInt64 = 25_000
  static let copyWord: UInt64 = 3
  static let hashWord: UInt64 = 6
  static let initCodeWord: UInt64 = 2
  static let codeByte: UInt64 = 200
  static let exponentByte: UInt64 = 50
  static let log: UInt64 = 375
  static let logTopic: UInt64 = 375
  static let logByte: UInt64 = 8

  /// The most code that a contract may have (EIP-170).
  static let maxCodeSize = 24_576
  /// The most init code of a creation, from Shanghai on (EIP-3860).
  static let maxInitCodeSize = 2 * maxCodeSize
  /// The most frames below the first one.
  static let maxDepth = 1_024
  /// The most memory of a frame, in bytes: it costs 2 × 10¹² gas, which no block has.
  static let maxMemory: UInt64 = 1 << 30

  /// How many words of 32 bytes hold so many bytes.
  static func words(_ count: Int) -> UInt64 { UInt64((count + 31) / 32) }

  /// What memory of so many words costs in all.
  static func memory(words: UInt64) -> UInt64 { 3 * words + words * words / 512 }
}
