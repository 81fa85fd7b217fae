import EthereumPrimitives

/// A call or a creation that is to begin.
struct CallRequest {
  var kind: CallKind
  /// Who `msg.sender` will be.
  var caller: Address
  /// Whose state the code will work on; in a creation it is found out.
  var address: Address
  /// Where the code is.
  var contract: Address
  /// What `msg.value` will be.
  var value: Word
  var gas: UInt64
  /// The input, or the init code of a creation.
  var input: UnsafeRawBufferPointer
  var isStatic: Bool
  /// What CREATE2 makes the address of, beside the init code.
  var salt = Word.zero
}

/// What a call or a creation came to; its output is the machine's return data.
struct CallResult {
  var completion: Completion
  /// The gas that was left.
  var gas: UInt64
  /// The contract that a creation made.
  var created: Address?

  static func failed(_ failure: Failure, gas: UInt64) -> CallResult {
    CallResult(completion: .failed(failure), gas: failure.leavesGas ? gas : 0)
  }
}
