package import EthereumPrimitives

/// A transaction as it was sent: decoded, its signature looked at, the chain not yet asked.
///
/// Recovering the sender costs more than all the rest; it needs no state, and so no lock.
package struct IncomingTransaction: Sendable {
  package let signed: SignedTransaction
  /// Nil when no key can have made the signature.
  package let sender: Address?

  package init(raw: [UInt8]) throws(PoolError) {
    do {
      signed = try SignedTransaction(raw: raw)
    } catch {
      throw .undecodable(error)
    }
    do {
      sender = try signed.sender()
    } catch {
      // The pool says "invalid sender" when its turn comes in the order of checks.
      sender = nil
    }
  }
}
