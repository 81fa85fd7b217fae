import EthereumPrimitives
import GRDB

/// Reads rows of a file that anybody may have changed: what is missing or of another type is an error
/// and not the process's end.
extension Row {
  /// The value of a column.
  /// - Throws: an error that names the column and shows what it holds.
  func read<Value: DatabaseValueConvertible>(
    _ column: String, as type: Value.Type = Value.self
  ) throws -> Value {
    let held: DatabaseValue? = self[column]
    guard let held, let value = Value.fromDatabaseValue(held) else {
      throw DatabaseError(
        message: "column \(column) holds \(held?.description ?? "nothing") and no \(Value.self)")
    }
    return value
  }

  /// The value of a column that may be empty.
  func readIfPresent<Value: DatabaseValueConvertible>(
    _ column: String, as type: Value.Type = Value.self
  ) throws -> Value? {
    let held: DatabaseValue? = self[column]
    return held?.isNull == false ? try read(column, as: type) : nil
  }

  /// A number of zero or more.
  func readCount(_ column: String) throws -> Int64 {
    let value: Int64 = try read(column)
    guard value >= 0 else { throw DatabaseError(message: "column \(column) holds \(value)") }
    return value
  }

  /// A finite number of zero or more; SQLite keeps infinite ones as well.
  func readMeasure(_ column: String) throws -> Double {
    let value: Double = try read(column)
    guard value.isFinite, value >= 0 else {
      throw DatabaseError(message: "column \(column) holds \(value)")
    }
    return value
  }

  func readAddress(_ column: String) throws -> Address {
    try Address(checksummed: try read(column, as: String.self))
  }

  func readEpoch(_ column: String) throws -> UInt64 { UInt64(bitPattern: try read(column)) }

  /// How many proofs there were, and of how many tokens.
  func readTally() throws -> ProofTally {
    let text: String = try read("proof_tokens")
    // As many as a million reports of the greatest number bring.
    guard let tokens = Int128(text), (0...Int128(1) << 100).contains(tokens) else {
      throw DatabaseError(message: "column proof_tokens holds \"\(text)\"")
    }
    return ProofTally(count: Int(try readSmall("proof_count")), tokens: tokens)
  }

  /// A count that goes on being counted.
  func readSmall(_ column: String) throws -> Int64 {
    let value = try readCount(column)
    guard value <= 1 << 60 else { throw DatabaseError(message: "column \(column) holds \(value)") }
    return value
  }
}
