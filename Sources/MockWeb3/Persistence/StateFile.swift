import EthereumPrimitives
import Foundation
public import SystemErrors

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
    file = try OwnedFile(path: url.path, purpose: .chainState)
  }

  /// The file's content; nothing in a new file.
  func contents() throws -> [UInt8] {
    try file.contents()
  }

  /// Writes the whole chain, in place of what the file holds.
  func write(_ chain: Chain) throws -> StateFileFormat.Log {
    let log = StateFileFormat.log(of: chain)
    try write(log.text)
    return log
  }

  /// Writes a whole text, in place of what the file holds.
  func write(_ text: [UInt8]) throws {
    try file.replace(with: text)
  }

  /// Appends steps that were taken together.
  func append(_ events: [ChainEvent]) throws {
    guard !events.isEmpty else { return }
    try file.append(StateFileFormat.lines(events))
    try file.synchronize()
  }

  /// Takes the file away again when it is new: a refusal leaves nothing behind.
  func removeIfNew() { file.removeIfNew() }
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
    guard configuration.fork == nil else { throw FileError.forkedChain.ofFile(url.path) }
    let file = try StateFile(url)
    do {
      let text = try file.contents()
      let chain =
        StateFileFormat.isBeginning(text)
        ? Chain(configuration, now: now)
        : try StateFileFormat.chain(
          from: text, ofFile: url, configuration: configuration, now: now)
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

extension FileError.Purpose {
  /// A file that keeps a chain.
  public static let chainState = Self(rawValue: "state file")
}

// Why a chain cannot be brought back from a text; the path is added where the text came from a file.
extension FileError {
  private static func state(_ code: Code, _ message: String, cause: (any Error)? = nil) -> Self {
    FileError(
      code, path: nil, purpose: .chainState, reason: message, message: message, cause: cause)
  }

  /// The first line is not that of a state file.
  package static let notAStateFile = state(
    .wrongFormat, "this is no state file of a chain: name another, or a new one")

  /// The file is an SQLite database.
  package static let databaseAsStateFile = state(
    .foreign, "this is an SQLite database, no state file of a chain: name another, or a new one")

  /// The file has the form of another version of this program.
  package static func unsupportedStateVersion(
    _ version: Int64, readable: ClosedRange<Int>
  ) -> FileError {
    state(
      .unsupportedVersion,
      "the state file has form \(version), and this version of the program reads forms "
        + "\(readable.lowerBound) to \(readable.upperBound): name another file, or use the version "
        + "that wrote it")
  }

  /// A field of a line is missing or malformed.
  static func missingStateField(_ name: String) -> FileError {
    state(.damaged, "the field \(name) is missing or malformed")
  }

  /// A line has an event that this version does not support.
  static func unknownStateEvent(_ name: String) -> FileError {
    state(.damaged, "an event \"\(name)\" is not known")
  }

  /// A line is damaged; lines count from 1.
  static func damagedState(line: Int, _ cause: any Error) -> FileError {
    state(.damaged, "line \(line) of the state file is damaged: \(cause)", cause: cause)
  }

  /// The chain in the file was started with other accounts, another id or other rules.
  static func chainMismatch(expected: String, actual: String) -> FileError {
    state(
      .mismatched,
      "the state file is of a chain that began with block \(actual), not \(expected): start with "
        + "the same id, profile and accounts, or name another file")
  }

  /// The chain in the file has another id, profile or sealer.
  package static func networkMismatch(
    _ name: String, expected: String, actual: String
  ) -> FileError {
    state(
      .mismatched,
      "the state file is of a chain whose \(name) is \(actual), not \(expected): start with that "
        + "\(name), or name another file")
  }

  /// A forked chain has only what changed since the fork.
  static let forkedChain = state(
    .mismatched,
    "no state file can hold a forked chain, which has only what changed since the fork: start it "
      + "without a file, and take snapshots")

  /// A replayed block has another hash than in the file.
  static func blockMismatch(height: UInt64) -> FileError {
    state(
      .damaged,
      "block \(height) of the state file comes out differently: the file was changed, or made by "
        + "another version")
  }

  /// The same error of a text that a file holds.
  package func ofFile(_ path: String) -> FileError {
    var error = self
    error.path = path
    return error
  }
}
