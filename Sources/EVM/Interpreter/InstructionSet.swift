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
