/// What an opcode does, apart from its operand.
///
/// The opcodes of a family (PUSH, DUP, SWAP, LOG) are one kind each, but for those pushes that are
/// worth a way of their own.
enum InstructionKind: UInt8 {
  case stop, add, mul, sub, div, sdiv, mod, smod, addmod, mulmod, exp, signextend, lt, gt, slt
  case sgt, eq, iszero, and, or, xor, not, byte, shl, shr, sar, keccak256, address, balance
  case origin, caller, callvalue, calldataload, calldatasize, calldatacopy, codesize, codecopy
  case gasprice, extcodesize, extcodecopy, returndatasize, returndatacopy, extcodehash
  case blockhash, coinbase, timestamp, number, prevrandao, gaslimit, chainid, selfbalance
  case basefee, blobhash, blobbasefee, pop, mload, mstore, mstore8, sload, sstore, jump, jumpi
  case pc, msize, gas, jumpdest, tload, tstore, mcopy, push0, create, call, callcode, `return`
  case delegatecall, create2, staticcall, revert, selfdestruct
  /// PUSH1, PUSH2 to PUSH8, and the longer ones.
  case push1, pushShort, pushLong
  case dup, swap, log
  /// No instruction in these rules; INVALID is none in any.
  case undefined
}

/// One opcode under the rules of a hard fork, in eight bytes.
///
/// The stack is counted in bytes, 32 a word: an opcode may run when the height lies between `need`
/// and `need + span`.
struct Instruction {
  var kind: InstructionKind
  /// The number in the name of PUSH, DUP, SWAP and LOG.
  var operand: UInt8
  /// What it costs before anything that depends on the operands.
  var gas: UInt16
  /// The least height of the stack.
  var need: UInt16
  /// How much higher the stack may be.
  var span: UInt16
}
