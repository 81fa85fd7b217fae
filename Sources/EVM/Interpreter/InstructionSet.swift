/// The 256 opcodes under the rules of one hard fork.
///
/// `@unchecked Sendable` because the table is written before anyone else can see it, and lives for
/// ever.
struct InstructionSet: @unchecked Sendable {
  let table: UnsafePointer<Instruction>

  private static let sets = Dictionary(
    uniqueKeysWithValues: Hardfork.allCases.map { ($0, InstructionSet($0)) })

  static func of(_ fork: Hardfork) -> InstructionSet {
    guard let set = sets[fork] else { preconditionFailure("every hard fork has a set") }
    return set
  }

  private init(_ fork: Hardfork) {
    let table = UnsafeMutablePointer<Instruction>.allocate(capacity: 256)
    table.initialize(
      repeating: Self.instruction(.undefined, gas: 0, pops: 0, pushes: 0), count: 256)
    for row in OpcodeList.rows where row.since <= fork {
      table[Int(row.opcode)] = Self.instruction(
        row.kind, gas: row.gas, pops: row.pops, pushes: row.pushes)
    }
    for count in 1...32 {
      let kind: InstructionKind = count == 1 ? .push1 : count <= 8 ? .pushShort : .pushLong
      table[0x5f + count] = Self.instruction(
        kind, operand: UInt8(count), gas: 3, pops: 0, pushes: 1)
    }
    for count in 1...16 {
      table[0x7f + count] = Self.instruction(
        .dup, operand: UInt8(count), gas: 3, pops: count, pushes: count + 1)
      table[0x8f + count] = Self.instruction(
        .swap, operand: UInt8(count), gas: 3, pops: count + 1, pushes: count + 1)
    }
    for topics in 0...4 {
      table[0xa0 + topics] = Self.instruction(
        .log, operand: UInt8(topics), gas: 375 * UInt16(topics + 1), pops: topics + 2, pushes: 0)
    }
    self.table = UnsafePointer(table)
  }

  private static func instruction(
    _ kind: InstructionKind, operand: UInt8 = 0, gas: UInt16, pops: Int, pushes: Int
  ) -> Instruction {
    let highest = min(1_024, 1_024 - pushes + pops)
    return Instruction(
      kind: kind, operand: operand, gas: gas, need: UInt16(pops * 32),
      span: UInt16((highest - pops) * 32))
  }
}

/// The names of opcodes, for people.
public enum Opcode {
  private static let names: [String] = {
    var names = (0...255).map { "opcode 0x\(String($0, radix: 16)) not defined" }
    for row in OpcodeList.rows { names[Int(row.opcode)] = row.name }
    names[0xfe] = "INVALID"
    for count in 1...32 { names[0x5f + count] = "PUSH\(count)" }
    for count in 1...16 {
      names[0x7f + count] = "DUP\(count)"
      names[0x8f + count] = "SWAP\(count)"
    }
    for topics in 0...4 { names[0xa0 + topics] = "LOG\(topics)" }
    return names
  }()

  /// An opcode's name, as go-ethereum spells it; one that no hard fork has is named by its number.
  public static func name(of opcode: UInt8) -> String { names[Int(opcode)] }
}

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

  /// The most words that the stack may hold before the instruction.
  var highest: Int { (Int(need) + Int(span)) / 32 }
}

/// Every opcode but the families of PUSH, DUP, SWAP and LOG (yellow paper, appendix H.2).
enum OpcodeList {
  typealias Row = (
    opcode: UInt8, name: String, kind: InstructionKind, gas: UInt16, pops: Int, pushes: Int,
    since: Hardfork
  )

  static let rows: [Row] = [
    (0x00, "STOP", .stop, 0, 0, 0, .london),
    (0x01, "ADD", .add, 3, 2, 1, .london),
    (0x02, "MUL", .mul, 5, 2, 1, .london),
    (0x03, "SUB", .sub, 3, 2, 1, .london),
    (0x04, "DIV", .div, 5, 2, 1, .london),
    (0x05, "SDIV", .sdiv, 5, 2, 1, .london),
    (0x06, "MOD", .mod, 5, 2, 1, .london),
    (0x07, "SMOD", .smod, 5, 2, 1, .london),
    (0x08, "ADDMOD", .addmod, 8, 3, 1, .london),
    (0x09, "MULMOD", .mulmod, 8, 3, 1, .london),
    (0x0a, "EXP", .exp, 10, 2, 1, .london),
    (0x0b, "SIGNEXTEND", .signextend, 5, 2, 1, .london),
    (0x10, "LT", .lt, 3, 2, 1, .london),
    (0x11, "GT", .gt, 3, 2, 1, .london),
    (0x12, "SLT", .slt, 3, 2, 1, .london),
    (0x13, "SGT", .sgt, 3, 2, 1, .london),
    (0x14, "EQ", .eq, 3, 2, 1, .london),
    (0x15, "ISZERO", .iszero, 3, 1, 1, .london),
    (0x16, "AND", .and, 3, 2, 1, .london),
    (0x17, "OR", .or, 3, 2, 1, .london),
    (0x18, "XOR", .xor, 3, 2, 1, .london),
    (0x19, "NOT", .not, 3, 1, 1, .london),
    (0x1a, "BYTE", .byte, 3, 2, 1, .london),
    (0x1b, "SHL", .shl, 3, 2, 1, .london),
    (0x1c, "SHR", .shr, 3, 2, 1, .london),
    (0x1d, "SAR", .sar, 3, 2, 1, .london),
    (0x20, "KECCAK256", .keccak256, 30, 2, 1, .london),
    (0x30, "ADDRESS", .address, 2, 0, 1, .london),
    (0x31, "BALANCE", .balance, 100, 1, 1, .london),
    (0x32, "ORIGIN", .origin, 2, 0, 1, .london),
    (0x33, "CALLER", .caller, 2, 0, 1, .london),
    (0x34, "CALLVALUE", .callvalue, 2, 0, 1, .london),
    (0x35, "CALLDATALOAD", .calldataload, 3, 1, 1, .london),
    (0x36, "CALLDATASIZE", .calldatasize, 2, 0, 1, .london),
    (0x37, "CALLDATACOPY", .calldatacopy, 3, 3, 0, .london),
    (0x38, "CODESIZE", .codesize, 2, 0, 1, .london),
    (0x39, "CODECOPY", .codecopy, 3, 3, 0, .london),
    (0x3a, "GASPRICE", .gasprice, 2, 0, 1, .london),
    (0x3b, "EXTCODESIZE", .extcodesize, 100, 1, 1, .london),
    (0x3c, "EXTCODECOPY", .extcodecopy, 100, 4, 0, .london),
    (0x3d, "RETURNDATASIZE", .returndatasize, 2, 0, 1, .london),
    (0x3e, "RETURNDATACOPY", .returndatacopy, 3, 3, 0, .london),
    (0x3f, "EXTCODEHASH", .extcodehash, 100, 1, 1, .london),
    (0x40, "BLOCKHASH", .blockhash, 20, 1, 1, .london),
    (0x41, "COINBASE", .coinbase, 2, 0, 1, .london),
    (0x42, "TIMESTAMP", .timestamp, 2, 0, 1, .london),
    (0x43, "NUMBER", .number, 2, 0, 1, .london),
    (0x44, "PREVRANDAO", .prevrandao, 2, 0, 1, .london),
    (0x45, "GASLIMIT", .gaslimit, 2, 0, 1, .london),
    (0x46, "CHAINID", .chainid, 2, 0, 1, .london),
    (0x47, "SELFBALANCE", .selfbalance, 5, 0, 1, .london),
    (0x48, "BASEFEE", .basefee, 2, 0, 1, .london),
    (0x49, "BLOBHASH", .blobhash, 3, 1, 1, .cancun),
    (0x4a, "BLOBBASEFEE", .blobbasefee, 2, 0, 1, .cancun),
    (0x50, "POP", .pop, 2, 1, 0, .london),
    (0x51, "MLOAD", .mload, 3, 1, 1, .london),
    (0x52, "MSTORE", .mstore, 3, 2, 0, .london),
    (0x53, "MSTORE8", .mstore8, 3, 2, 0, .london),
    (0x54, "SLOAD", .sload, 100, 1, 1, .london),
    (0x55, "SSTORE", .sstore, 0, 2, 0, .london),
    (0x56, "JUMP", .jump, 8, 1, 0, .london),
    (0x57, "JUMPI", .jumpi, 10, 2, 0, .london),
    (0x58, "PC", .pc, 2, 0, 1, .london),
    (0x59, "MSIZE", .msize, 2, 0, 1, .london),
    (0x5a, "GAS", .gas, 2, 0, 1, .london),
    (0x5b, "JUMPDEST", .jumpdest, 1, 0, 0, .london),
    (0x5c, "TLOAD", .tload, 100, 1, 1, .cancun),
    (0x5d, "TSTORE", .tstore, 100, 2, 0, .cancun),
    (0x5e, "MCOPY", .mcopy, 3, 3, 0, .cancun),
    (0x5f, "PUSH0", .push0, 2, 0, 1, .shanghai),
    (0xf0, "CREATE", .create, 32_000, 3, 1, .london),
    (0xf1, "CALL", .call, 100, 7, 1, .london),
    (0xf2, "CALLCODE", .callcode, 100, 7, 1, .london),
    (0xf3, "RETURN", .return, 0, 2, 0, .london),
    (0xf4, "DELEGATECALL", .delegatecall, 100, 6, 1, .london),
    (0xf5, "CREATE2", .create2, 32_000, 4, 1, .london),
    (0xfa, "STATICCALL", .staticcall, 100, 6, 1, .london),
    (0xfd, "REVERT", .revert, 0, 2, 0, .london),
    (0xff, "SELFDESTRUCT", .selfdestruct, 5000, 1, 0, .london),
  ]
}
