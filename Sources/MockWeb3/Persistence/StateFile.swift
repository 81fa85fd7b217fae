import Dispatch
import EthereumPrimitives
import Foundation
import Synchronization
public import SystemErrors

/// Keeps a chain in a file with one owner: every step is on the disk before the
/// request that took it is answered.
///
/// Steps are appended, those that take others back included. When another chain takes the place of
/// the one in the file (a reset, a state that is loaded), and at a start from a file that has steps which
/// were taken back, the file is written anew beside the old one and takes its place, so that a crash
/// leaves one or the other.
///
/// Steps are appended under the chain's lock, and brought to the disk without it, once for all requests
/// that wait for it (group commit).
final class StateFile: Sendable {
  fileprivate struct Waiter {
    let write: Int
    let continuation: CheckedContinuation<Void, any Error>
  }

  fileprivate struct State {
    var file: OwnedFile
    /// How many writes there were.
    var written = 0
    /// How many of them are on the disk.
    var onDisk = 0
    var isSynchronizing = false
    var waiters: [Waiter] = []
    /// Why they could not be brought there; nothing is written any more.
    var failure: FileError?

    /// Those that need not wait any longer.
    mutating func takeReady() -> [Waiter] {
      let ready = waiters.filter { failure != nil || $0.write <= onDisk }
      if !ready.isEmpty { waiters.removeAll { failure != nil || $0.write <= onDisk } }
      return ready
    }
  }

  private let state: Mutex<State>
  /// Where the threads wait for the disk.
  private let queue = DispatchQueue(label: "chain-state-file")

  /// Takes the file for this chain alone; there is an empty one where there was none.
  init(_ url: URL) throws {
    state = Mutex(State(file: try OwnedFile(path: url.path, purpose: .chainState)))
  }

  /// The file's content; nothing in a new file.
  func contents() throws -> [UInt8] { try state.withLock { try $0.file.contents() } }

  /// Waits until what the file holds is on the disk.
  func synchronizeContents() throws { try state.withLock { try $0.file.synchronize() } }

  /// Writes the whole chain, in place of what the file holds.
  func write(_ chain: Chain) throws -> StateFileFormat.Places {
    let log = StateFileFormat.log(of: chain)
    try write(log.text)
    return log.places
  }

  /// Writes a whole text, in place of what the file holds.
  func write(_ text: [UInt8]) throws {
    let ready = try state.withLock { state in
      if let failure = state.failure { throw failure }
      try state.file.replace(with: text)
      state.written += 1
      state.onDisk = state.written
      return state.takeReady()
    }
    for waiter in ready { waiter.continuation.resume() }
  }

  /// Appends steps that were taken together; ``synchronize(upTo:)`` brings them to the disk.
  func append(_ events: [ChainEvent]) throws {
    guard !events.isEmpty else { return }
    let lines = StateFileFormat.lines(events)
    try state.withLock { state in
      if let failure = state.failure { throw failure }
      try state.file.append(lines)
      state.written += 1
    }
  }

  /// The number of the last write.
  var lastWrite: Int { state.withLock { $0.written } }

  /// Waits until a write and all before it are on the disk.
  /// - Throws: `FileError` when they cannot be brought there.
  func synchronize(upTo write: Int) async throws {
    if try state.withLock({ try $0.isOnDisk(write) }) { return }
    try await withCheckedThrowingContinuation { continuation in
      let (ready, starts) = state.withLock { state in
        state.waiters.append(Waiter(write: write, continuation: continuation))
        let ready = state.takeReady()
        let starts = !state.waiters.isEmpty && !state.isSynchronizing
        if starts { state.isSynchronizing = true }
        return (ready, starts)
      }
      resume(ready)
      if starts { queue.async { self.synchronizeWaiting() } }
    }
  }

  /// Brings all writes to the disk.
  /// - Throws: `FileError` when they cannot be brought there.
  func synchronize() throws {
    let write = lastWrite
    if try state.withLock({ try $0.isOnDisk(write) }) { return }
    resume(synchronizeOnce())
    _ = try state.withLock { try $0.isOnDisk(write) }
  }

  /// Synchronizes as long as anybody waits: those that come in the meantime share the next time.
  private func synchronizeWaiting() {
    while true {
      resume(synchronizeOnce())
      let isDone = state.withLock { state in
        if state.waiters.isEmpty { state.isSynchronizing = false }
        return state.waiters.isEmpty
      }
      if isDone { return }
    }
  }

  private func synchronizeOnce() -> [Waiter] {
    // A copy of the file keeps it open, should another one take its place.
    let (file, written) = state.withLock { ($0.file, $0.written) }
    var failure: FileError?
    do throws(FileError) { try file.synchronize() } catch { failure = error }
    return state.withLock { state in
      if let failure { state.failure = state.failure ?? failure }
      state.onDisk = max(state.onDisk, written)
      return state.takeReady()
    }
  }

  private func resume(_ waiters: [Waiter]) {
    guard !waiters.isEmpty else { return }
    let failure = state.withLock { $0.failure }
    for waiter in waiters {
      if let failure {
        waiter.continuation.resume(throwing: failure)
      } else {
        waiter.continuation.resume()
      }
    }
  }

  /// Takes the file away again when it is new: a refusal leaves nothing behind.
  func removeIfNew() { state.withLock { $0.file.removeIfNew() } }
}

extension StateFile.State {
  /// Whether a write is on the disk.
  fileprivate func isOnDisk(_ write: Int) throws(FileError) -> Bool {
    if let failure { throw failure }
    return onDisk >= write
  }
}

/// A chain, and the file that keeps it if there is one.
struct PersistentChain {
  var chain: Chain
  var file: StateFile?
  /// What has to be on the disk before anybody is told of the chain as it is; nil without a file.
  var lastWrite: (file: StateFile, write: Int)? { file.map { ($0, $0.lastWrite) } }
  /// Why writing failed; every request is answered with it from then on.
  private(set) var failure: (any Error)?

  init(chain: Chain) {
    self.chain = chain
    self.file = nil
  }

  /// A chain that a file keeps from now on.
  /// - Parameter places: of the chain's blocks in the file; nil when it has to be written there.
  init(chain: Chain, file: StateFile, places: StateFileFormat.Places?) throws {
    self.chain = chain
    self.file = file
    // What an earlier process wrote, and nobody was told of, need not be on the disk yet.
    if places != nil { try file.synchronizeContents() }
    self.chain.record.startPersisting(try places ?? file.write(chain))
  }

  /// The chain that a file keeps, or a new one where the file holds none.
  init(persistedAt url: URL, _ configuration: ChainConfiguration, now: UInt64) throws {
    guard configuration.fork == nil else { throw FileError.forkedChain.ofFile(url.path) }
    let file = try StateFile(url)
    do {
      let text = try file.contents()
      let reading =
        StateFileFormat.isBeginning(text)
        ? StateFileFormat.Reading(chain: Chain(configuration, now: now), places: nil)
        : try StateFileFormat.reading(
          of: text, inFile: url, configuration: configuration, now: now)
      try self.init(chain: reading.chain, file: file, places: reading.places)
    } catch {
      file.removeIfNew()
      throw error
    }
  }

  /// Writes what the file does not have yet; ``lastWrite`` says what has to come to the disk then.
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

extension PersistentChain {
  /// Brings what was written to the disk.
  mutating func synchronize() {
    guard let file, failure == nil else { return }
    do { try file.synchronize() } catch { failure = error }
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
