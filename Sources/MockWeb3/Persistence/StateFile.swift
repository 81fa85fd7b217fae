import EthereumPrimitives
import Foundation
import SystemErrors

/// Keeps a chain in a file with one owner: every step is on the disk before the
/// request that took it is answered.
///
/// Steps are appended, those that take others back included. When another chain takes the place of
/// the one in the file (a reset, a state that is loaded), and at every start, the file is written
/// anew beside the old one and takes its place, so that a crash leaves one or the other.
final class StateFile {
  private var file: OwnedFile

  /// Takes the file for this chain alone; there is an empty one where there was none.
  init(_ url: URL) throws {
    do throws(FileLockError) { file = try OwnedFile(path: url.path) } catch {
      throw StateFileError(error)
    }
  }

  /// The file's content; nothing in a new file.
  func contents() throws -> [UInt8] {
    try Self.mappingErrors { () throws(FileLockError) in try file.contents() }
  }

  /// Writes the whole chain, in place of what the file holds.
  func write(_ chain: Chain) throws -> StateFileFormat.Log {
    let log = StateFileFormat.log(of: chain)
    try write(log.text)
    return log
  }

  /// Writes a whole text, in place of what the file holds.
  func write(_ text: [UInt8]) throws {
    try Self.mappingErrors { () throws(FileLockError) in try file.replace(with: text) }
  }

  /// Appends steps that were taken together.
  func append(_ events: [ChainEvent]) throws {
    guard !events.isEmpty else { return }
    try Self.mappingErrors { () throws(FileLockError) in
      try file.append(StateFileFormat.lines(events))
      try file.synchronize()
    }
  }

  /// Takes the file away again when it is new: a refusal leaves nothing behind.
  func removeIfNew() { file.removeIfNew() }

  private static func mappingErrors<R>(_ body: () throws(FileLockError) -> R) throws -> R {
    do throws(FileLockError) { return try body() } catch { throw StateFileError(error) }
  }
}

extension StateFileError {
  /// Why a file could not be had or used.
  init(_ error: FileLockError) {
    switch error {
    case .held(let path, let holder):
      self = .inUse(path: path, holder: holder?.description ?? "another process")
    case .unusable(let path, let reason): self = .unusable(path: path, reason: reason)
    }
  }
}

/// A chain, and the file that keeps it if there is one.
struct PersistentChain {
  var chain: Chain
  var file: StateFile?
  /// Why writing failed; every request is answered with it from then on.
  private(set) var failure: (any Error)?

  init(chain: Chain) {
    self.chain = chain
    self.file = nil
  }

  /// A chain that a file keeps from now on; it is written there.
  init(chain: Chain, file: StateFile) throws {
    self.chain = chain
    self.file = file
    self.chain.record.startPersisting(try file.write(chain))
  }

  /// The chain that a file keeps, or a new one where the file holds none.
  init(persistedAt url: URL, _ configuration: ChainConfiguration, now: UInt64) throws {
    let file = try StateFile(url)
    do {
      let text = try file.contents()
      let chain =
        StateFileFormat.isBeginning(text)
        ? Chain(configuration, now: now)
        : try StateFileFormat.chain(from: text, configuration: configuration, now: now)
      try self.init(chain: chain, file: file)
    } catch {
      file.removeIfNew()
      throw error
    }
  }

  /// Brings the file up to the chain.
  mutating func save() {
    chain.record.note(chain.settings)
    guard let file, failure == nil else { return }
    do {
      if chain.record.needsRewrite {
        chain.record.didRewrite(try file.write(chain))
      } else {
        try file.append(chain.record.unsaved)
        chain.record.didSave()
      }
    } catch {
      failure = error
    }
  }
}

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
  case unsupportedVersion(Int64, readable: ClosedRange<Int>)
  /// A field of a line is missing or malformed.
  case missingField(String)
  /// A line has an event that this version does not support.
  case unknownEvent(String)
  /// A line is damaged; lines count from 1.
  case damaged(line: Int, reason: String)
  /// The chain in the file was started with other accounts, another id or other rules.
  case chainMismatch(expected: String, actual: String)
  /// The chain in the file has another id, profile or sealer.
  case networkMismatch(String, expected: String, actual: String)
  /// A replayed block has another hash than in the file.
  case blockMismatch(height: UInt64)

  /// One line: what is wrong, and what to do.
  public var description: String {
    switch self {
    case .unusable(let path, let reason):
      "the state file \(path) cannot be used: \(reason)"
    case .inUse(let path, let holder):
      "the state file \(path) is in use by \(holder): stop it, or name another file"
    case .database:
      "this is an SQLite database, no state file of a chain: name another, or a new one"
    case .unsupportedVersion(let version, let readable):
      "the state file has form \(version), and this version of the program reads forms "
        + "\(readable.lowerBound) to \(readable.upperBound): name another file, or use the version "
        + "that wrote it"
    case .notAStateFile: "this is no state file of a chain: name another, or a new one"
    case .missingField(let name): "the field \(name) is missing or malformed"
    case .unknownEvent(let name): "an event \"\(name)\" is not known"
    case .damaged(let line, let reason): "line \(line) of the state file is damaged: \(reason)"
    case .chainMismatch(let expected, let actual):
      "the state file is of a chain that began with block \(actual), not \(expected): start with "
        + "the same id, profile and accounts, or name another file"
    case .networkMismatch(let name, let expected, let actual):
      "the state file is of a chain whose \(name) is \(actual), not \(expected): start with that "
        + "\(name), or name another file"
    case .blockMismatch(let height):
      "block \(height) of the state file comes out differently: the file was changed, or made by "
        + "another version"
    }
  }
}
