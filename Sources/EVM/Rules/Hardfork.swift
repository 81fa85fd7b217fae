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
