public import EthereumPrimitives

/// What a transaction came to.
public struct TransactionOutcome: Sendable {
  /// Whether its code returned; when it did not, only the fee was paid.
  public let completion: Completion
  /// What the sender paid for, the refund taken off.
  public let gasUsed: UInt64
  /// What cleared storage gave back (EIP-3529).
  public let gasRefunded: UInt64
  /// What a unit of gas cost, in wei.
  public let gasPrice: Word
  /// What the code returned or reverted with; the new contract's code after a creation.
  public let output: [UInt8]
  /// The events, in order.
  public let logs: [Log]
  /// The contract that was created.
  public let created: Address?
  /// What changed, the fee included.
  public let effects: StateEffects
}

/// What a call came to.
public struct CallOutcome: Sendable {
  /// Whether the code returned.
  public let completion: Completion
  /// What was used, no refund taken off.
  public let gasUsed: UInt64
  /// What a transaction could get back, a fifth of its gas at most.
  public let refund: UInt64
  /// What the code returned or reverted with.
  public let output: [UInt8]
  /// The events, in order.
  public let logs: [Log]
  /// The contract that was created.
  public let created: Address?
  /// What changed.
  public let effects: StateEffects
}

/// Why a transaction cannot be part of a block, now or ever.
public enum InvalidTransactionError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The sender has used the nonce.
  case nonceTooLow(next: UInt64, actual: UInt64)
  /// Transactions of the sender are missing before this one.
  case nonceTooHigh(next: UInt64, actual: UInt64)
  /// No transaction may follow one with the nonce 2⁶⁴ − 1 (EIP-2681).
  case nonceExhausted
  /// The sender has code (EIP-3607).
  case senderHasCode
  /// The miner would get more than the sender pays (EIP-1559).
  case tipAboveFeeCap
  /// The sender will not pay the block's base fee.
  case feeCapBelowBaseFee
  /// The block has less gas left than the transaction may use.
  case blockGasExceeded(limit: UInt64, left: UInt64)
  /// The balance does not cover the highest cost.
  case insufficientFunds
  /// The gas limit does not cover what is charged before any code runs.
  case intrinsicGas(have: UInt64, want: UInt64)
  /// Init code beyond 49 152 bytes (EIP-3860).
  case initCodeTooLarge(Int)

  /// What is wrong, in the words of go-ethereum.
  public var description: String {
    switch self {
    case .nonceTooLow(let next, let actual): "nonce too low: next nonce \(next), tx nonce \(actual)"
    case .nonceTooHigh(let next, let actual):
      "nonce too high: next nonce \(next), tx nonce \(actual)"
    case .nonceExhausted: "nonce has max value"
    case .senderHasCode: "sender not an eoa"
    case .tipAboveFeeCap: "max priority fee per gas higher than max fee per gas"
    case .feeCapBelowBaseFee: "max fee per gas less than block base fee"
    case .blockGasExceeded(let limit, let left): "gas limit reached: \(limit) of \(left) left"
    case .insufficientFunds: "insufficient funds for gas * price + value"
    case .intrinsicGas(let have, let want): "intrinsic gas too low: have \(have), want \(want)"
    case .initCodeTooLarge(let count): "max initcode size exceeded: code size \(count) limit 49152"
    }
  }
}

/// Why code came to an end that gives no gas back.
public enum Failure: Error, Hashable, Sendable, CustomStringConvertible {
  /// The gas does not cover the next instruction.
  case outOfGas
  /// The end of a range of the memory is no number of 64 bits.
  case memoryRangeOverflow
  /// The stack holds fewer words than the instruction takes.
  case stackUnderflow(height: Int, needed: Int)
  /// The stack would grow beyond 1024 words: it holds more than `limit` before the instruction.
  case stackOverflow(height: Int, limit: Int)
  /// The byte is no instruction under these rules.
  case undefinedOpcode(UInt8)
  /// The target of a jump is no JUMPDEST.
  case invalidJump
  /// Code that may only read tried to write.
  case writeProtection
  /// RETURNDATACOPY went beyond what was returned (EIP-211).
  case returnDataOutOfBounds
  /// The new contract's code is longer than 24 576 bytes (EIP-170).
  case codeTooLarge
  /// The gas does not cover the new contract's code, which costs 200 a byte.
  case codeStorageOutOfGas
  /// The new contract's code begins with 0xEF (EIP-3541).
  case invalidCode
  /// Something is where the new contract would go.
  case addressCollision
  /// The caller is already 1024 frames deep; its gas stays with it.
  case callTooDeep
  /// The caller owns less than it would send; its gas stays with it.
  case insufficientBalance
  /// The caller has created as many contracts as it can; its gas stays with it.
  case nonceOverflow
  /// A contract that is no code refused its input, in its own words.
  case inputRefused(String)

  /// What is wrong, in the words of go-ethereum.
  public var description: String {
    switch self {
    case .outOfGas: "out of gas"
    case .memoryRangeOverflow: "gas uint64 overflow"
    case .stackUnderflow(let height, let needed): "stack underflow (\(height) <=> \(needed))"
    case .stackOverflow(let height, let limit): "stack limit reached \(height) (\(limit))"
    case .undefinedOpcode(let opcode):
      opcode == 0xfe
        ? "invalid opcode: INVALID"
        : "invalid opcode: \(Opcode.name(of: opcode))"
    case .invalidJump: "invalid jump destination"
    case .writeProtection: "write protection"
    case .returnDataOutOfBounds: "return data out of bounds"
    case .codeTooLarge: "max code size exceeded"
    case .codeStorageOutOfGas: "contract creation code storage out of gas"
    case .invalidCode: "invalid code: must not begin with 0xef"
    case .addressCollision: "contract address collision"
    case .callTooDeep: "max call depth exceeded"
    case .insufficientBalance: "insufficient balance for transfer"
    case .nonceOverflow: "nonce uint64 overflow"
    case .inputRefused(let reason): reason
    }
  }

  /// Whether the call did not begin, so that its gas was not used.
  var leavesGas: Bool {
    switch self {
    case .callTooDeep, .insufficientBalance, .nonceOverflow: true
    default: false
    }
  }
}

/// What code came to.
public enum Completion: Hashable, Sendable {
  /// Its effects are kept.
  case returned
  /// Everything was undone, and the gas that was left given back.
  case reverted
  /// Everything was undone, and the gas is gone.
  case failed(Failure)
}
