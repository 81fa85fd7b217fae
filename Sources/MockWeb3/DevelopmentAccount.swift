public import EthereumPrimitives

/// An account whose key everybody knows, with coins to spend.
public struct DevelopmentAccount: Sendable {
  /// The secret key.
  public let key: SecretKey
  /// Wei at the start.
  public let balance: Word
  /// The key's address.
  public let address: Address

  /// An account with a key of the caller's.
  public init(key: SecretKey, balance: Word = DevelopmentAccount.defaultBalance) {
    self.key = key
    self.balance = balance
    address = key.address
  }

  /// 10 000 PLM in wei.
  public static let defaultBalance: Word = 10_000_000_000_000_000_000_000

  /// The mnemonic that every development chain knows.
  public static let mnemonic = "test test test test test test test test test test test junk"

  /// The first ten accounts of ``mnemonic`` on m/44'/60'/0'/0/i, with 10 000 PLM each.
  ///
  /// They are derived once a process: stretching the mnemonic takes 2048 rounds of HMAC.
  public static let standard: [DevelopmentAccount] = {
    do {
      let wallet = Mnemonic(mnemonic)
      return try (0..<10).map { DevelopmentAccount(key: try wallet.key(at: $0)) }
    } catch {
      preconditionFailure("the well-known mnemonic is valid: \(error)")
    }
  }()
}
