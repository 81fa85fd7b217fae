import EthereumPrimitives

/// A call that is to become a transaction: everything but its nonce and its fees.
struct Draft: Sendable {
  let to: Address
  let value: Word
  let data: [UInt8]
  let gasLimit: UInt64
}

/// A transaction that was sent and may have been replaced: every version has the same nonce, so
/// that only one of them can be mined.
struct PendingTransaction: Sendable {
  let draft: Draft
  /// The versions, the latest last; never empty.
  private(set) var versions: [SignedTransaction]

  init(_ draft: Draft, _ first: SignedTransaction) {
    self.draft = draft
    versions = [first]
  }

  var latest: SignedTransaction { versions[versions.count - 1] }
  var hashes: [Hash32] { versions.map(\.hash) }

  mutating func wasReplaced(by version: SignedTransaction) { versions.append(version) }
}
