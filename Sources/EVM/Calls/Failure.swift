/// Why code came to an end that gives no gas back.
public enum Failure: Error, Hashable, Sendable, CustomStringConvertible {
  /// The gas does not cover the next instruction.
  case outOfGas
  /// The stack holds fewer words than the instruction takes.
  case stackUnderflow(height: Int, needed: Int)
  /// The stack would grow beyond 1024 words.
  case stackOverflow(height: Int)
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
  /// A contract that is no code refused its input.
  case precompileFailed

  /// What is wrong, in the words of go-ethereum.
  public var description: String {
    switch self {
    case .outOfGas: "out of gas"
    case .stackUnderflow(let height, let needed): "stack underflow (\(height) <=> \(needed))"
    case .stackOverflow(let height): "stack limit reached \(height) (1024)"
    case .undefinedOpcode(let opcode):
      opcode == 0xfe
        ? "invalid opcode: INVALID"
        : "invalid opcode: \(Opcode.name(of: opcode))"
    case .invalidJump: "invalid jump destination"
    case .writeProtection: "write protection"
    case .returnDataOutOfBounds: "return data out of bounds"
    case .codeTooLarge: "max code size exceeded"
    case .invalidCode: "invalid code: must not begin with 0xef"
    case .addressCollision: "contract address collision"
    case .callTooDeep: "max call depth exceeded"
    case .insufficientBalance: "insufficient balance for transfer"
    case .nonceOverflow: "nonce uint64 overflow"
    case .precompileFailed: "precompiled contract failed"
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
