import EthereumPrimitives

/// One call of a program: by a transaction, by another program, or by eth_call.
struct Message {
  /// `msg.sender`.
  let caller: Address
  /// The program that is called.
  let recipient: Address
  /// Wei that was transferred with the call.
  let value: Word
  /// The call's input.
  let input: [UInt8]
}

/// Why a program undid everything it did.
package struct Revert: Error, Hashable, Sendable {
  /// What the caller gets to read: `Error(string)` in ABI form, or nothing.
  package let output: [UInt8]

  /// A revert without a reason, as Solidity does for malformed input.
  static let silent = Revert(output: [])

  init(output: [UInt8]) { self.output = output }

  /// A revert with a reason, as Solidity's `require` makes it.
  init(_ reason: String) { output = ABI.encodeError(reason) }

  /// The reason, when there is one.
  package var reason: String? { ABI.decodeError(output) }
}

/// What a call came to.
enum CallOutcome {
  case returned([UInt8])
  case reverted(Revert)
  /// The program's price exceeds the gas that was left.
  case outOfGas
}
