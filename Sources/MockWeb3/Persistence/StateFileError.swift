import EthereumPrimitives

/// Why a chain cannot be brought back from a file.
public enum StateFileError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The file cannot be read or written.
  case unusable(path: String, reason: String)
  /// Another chain, of this program or another one, keeps itself in the file.
  case inUse(path: String, holder: String)
  /// The first line is not that of a state file.
  case notAStateFile
  /// The file is an SQLite database.
  case database
  /// The file has the form of another version of this program.
  case otherVersion(Int64, readable: ClosedRange<Int>)
  /// A line lacks a field, or it is none that can be read.
  case missingField(String)
  /// A line says something that this version does not know.
  case unknownEvent(String)
  /// A line is damaged; lines count from 1.
  case damaged(line: Int, reason: String)
  /// The chain in the file was started with other accounts, another id or other rules.
  case otherChain(expected: String, actual: String)
  /// The chain in the file has another id, profile or sealer.
  case otherNetwork(String, expected: String, actual: String)
  /// A block of the file comes out differently.
  case otherBlock(height: UInt64)

  /// One line: what is wrong, and what to do.
  public var description: String {
    switch self {
    case .unusable(let path, let reason):
      "the state file \(path) cannot be used: \(reason)"
    case .inUse(let path, let holder):
      "the state file \(path) is in use by \(holder): stop it, or name another file"
    case .database:
      "this is an SQLite database, no state file of a chain: name another, or a new one"
    case .otherVersion(let version, let readable):
      "the state file has form \(version), and this version of the program reads forms "
        + "\(readable.lowerBound) to \(readable.upperBound): name another file, or use the version "
        + "that wrote it"
    case .notAStateFile: "this is no state file of a chain: name another, or a new one"
    case .missingField(let name): "the field \(name) is missing or malformed"
    case .unknownEvent(let name): "an event \"\(name)\" is not known"
    case .damaged(let line, let reason): "line \(line) of the state file is damaged: \(reason)"
    case .otherChain(let expected, let actual):
      "the state file is of a chain that began with block \(actual), not \(expected): start with "
        + "the same id, profile and accounts, or name another file"
    case .otherNetwork(let name, let expected, let actual):
      "the state file is of a chain whose \(name) is \(actual), not \(expected): start with that "
        + "\(name), or name another file"
    case .otherBlock(let height):
      "block \(height) of the state file comes out differently: the file was changed, or made by "
        + "another version"
    }
  }
}
