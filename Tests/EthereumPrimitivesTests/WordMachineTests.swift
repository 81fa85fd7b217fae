import EthereumPrimitives
import Foundation
import TestVectors
import Testing

@Suite("The machine's arithmetic")
struct WordMachineTests {
  /// Rows of an operation, its operands with the stack's top first, and the result.
  private static let rows: [[String]] = {
    do {
      return try JSONDecoder().decode([[String]].self, from: Data(contentsOf: TestVectors.words))
    } catch { fatalError("words.json cannot be read: \(error)") }
  }()

  static let operations: [String: @Sendable ([Word]) -> Word] = [
    "ADD": { $0[0] &+ $0[1] },
    "SUB": { $0[0] &- $0[1] },
    "MUL": { $0[0] &* $0[1] },
    "DIV": { $0[0].quotientOrZero($0[1]) },
    "MOD": { $0[0].remainderOrZero($0[1]) },
    "SDIV": { $0[0].signedQuotientOrZero($0[1]) },
    "SMOD": { $0[0].signedRemainderOrZero($0[1]) },
    "ADDMOD": { $0[0].adding($0[1], modulo: $0[2]) },
    "MULMOD": { $0[0].multiplied(by: $0[1], modulo: $0[2]) },
    "EXP": { $0[0].power($0[1]) },
    "SIGNEXTEND": { $0[1].signExtended(fromByte: $0[0]) },
    "LT": { Word(Word.less($0[0], $0[1])) },
    "GT": { Word(Word.less($0[1], $0[0])) },
    "SLT": { Word(Word.signedLess($0[0], $0[1])) },
    "SGT": { Word(Word.signedLess($0[1], $0[0])) },
    "EQ": { Word(Word.equal($0[0], $0[1])) },
    "ISZERO": { Word(!$0[0].isSet) },
    "AND": { $0[0] & $0[1] },
    "OR": { $0[0] | $0[1] },
    "XOR": { $0[0] ^ $0[1] },
    "NOT": { ~$0[0] },
    "BYTE": { $0[1].byte(at: $0[0]) },
    "SHL": { $0[1].shiftedLeft(by: $0[0]) },
    "SHR": { $0[1].shiftedRight(by: $0[0]) },
    "SAR": { $0[1].arithmeticallyShiftedRight(by: $0[0]) },
  ]

  @Test("Every operation gives what Python's integers give", arguments: operations.keys.sorted())
  func equalsPython(_ name: String) throws {
    let rows = Self.rows.filter { $0[0] == name }
    #expect(rows.count == 48)
    let operation = try #require(Self.operations[name])
    for row in rows {
      let words = try row.dropFirst().map { try Quantity.decode($0) }
      let result = operation(Array(words.dropLast()))
      #expect(result == words.last, "\(row.joined(separator: " ")): \(Quantity.encode(result))")
    }
  }

  @Test("No operation of the golden data is left out")
  func everyOperation() {
    #expect(Set(Self.rows.map { $0[0] }) == Set(Self.operations.keys))
  }

  @Test("A word survives memory, the most significant byte first")
  func memory() {
    let word: Word = 0x0102030405060708_090a0b0c0d0e0f10_1112131415161718_191a1b1c1d1e1f20
    withUnsafeTemporaryAllocation(byteCount: 40, alignment: 8) { buffer in
      guard let start = buffer.baseAddress else { return }
      // Also where no word is aligned.
      for offset in 0..<8 {
        word.store(start + offset)
        #expect(Array(buffer[offset..<(offset + 32)]) == Array(1...32))
        #expect(Word.load(start + offset) == word)
      }
    }
  }

  @Test("A word that is longer than an address gives its low 160 bits")
  func truncation() throws {
    let word: Word = 0xffffffffffffffffffffffff_0102030405060708090a0b0c0d0e0f1011121314
    #expect(Address(truncating: word).bytes == Array(1...20))
  }
}
