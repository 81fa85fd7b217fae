package import EthereumPrimitives

/// A change that a test made to the state, on top of a block.
///
/// It belongs to no block, so that undoing blocks does not undo it: coins that a test gave stay.
package struct StateEdit: Hashable, Sendable {
  package enum Change: Hashable, Sendable {
    /// The balance became so much, in wei.
    case balance(Address, Word)
    /// So much was added to the balance, in wei.
    case credit(Address, Word)
    case nonce(Address, UInt64)
  }

  /// The height of the block that was the latest.
  let height: UInt64
  let change: Change
}
