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
