import EthereumPrimitives

/// The accounts whose transactions the chain takes without their keys (Anvil's impersonation).
struct Impersonation {
  private var accounts: Set<Address> = []
  /// Whether every account is impersonated.
  var isAutomatic = false

  mutating func start(_ account: Address) { accounts.insert(account) }
  mutating func stop(_ account: Address) { accounts.remove(account) }

  func contains(_ account: Address) -> Bool { isAutomatic || accounts.contains(account) }
}

extension Signature {
  /// What stands in the place of an impersonated account's signature, and names the account: no key
  /// makes it, since r is far too small to be met by chance.
  static func impersonating(_ account: Address) -> Signature {
    do {
      return try Signature(r: account.word | marker, s: 1, yParity: 0)
    } catch { preconditionFailure("r and s are in range: \(error)") }
  }

  /// The account that such a signature names; nil for a real one.
  var impersonatedAccount: Address? {
    s == 1 && r >> 160 == 1 ? Address(truncating: r) : nil
  }

  private static let marker = (1 as Word) << 160
}

extension RecoveredTransaction {
  /// Whether the sender was impersonated: it may be a contract.
  var isImpersonated: Bool { signed.signature.impersonatedAccount != nil }
}
