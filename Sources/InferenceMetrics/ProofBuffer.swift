import AsyncPrimitives
public import Foundation
public import PlumiseWire
import Synchronization
public import SystemErrors

/// Proofs on their way to the oracle: each stays until a report that carried it was accepted.
///
/// They live in memory, and in a file as well where one is named: then a process that starts again
/// has every proof that was not accepted.
public final class ProofBuffer: Sendable {
  /// The oldest proofs of a buffer, as one report carries them.
  public struct Batch: Sendable, Hashable {
    /// The proofs, oldest first.
    public let proofs: [InferenceProof]
    /// Where the batch ends, counted over all proofs that the buffer ever held.
    fileprivate let end: Int

    /// Whether there is nothing to report.
    public var isEmpty: Bool { proofs.isEmpty }
  }

  private struct State: Sendable {
    var proofs: [InferenceProof] = []
    /// How many proofs were acknowledged before the first one that is kept.
    var acknowledged = 0
    var spool: ProofSpool?
    var lastTimestamp: Int64 = 0
    var spoolFailure: String?

    /// Writes to the file, if there is one; a file that cannot be written is no longer used, and
    /// the proofs stay in memory.
    mutating func spool(_ write: (inout ProofSpool) throws -> Void) {
      guard var file = spool else { return }
      do {
        try write(&file)
        spool = file
      } catch {
        spoolFailure = String(describing: error)
        spool = nil
      }
    }
  }

  private let state = Mutex(State())
  private let broadcast = Broadcast<InferenceProof>()

  /// Makes an empty buffer in memory.
  public init() {}

  /// Makes a buffer that is kept in a file as well, with the proofs that wait there.
  ///
  /// What is in the file outlives the process; a machine that loses its power may lose the last
  /// moments of it.
  /// - Parameter file: a file that this process alone uses; made when it is missing.
  /// - Throws: `FileError` when the file cannot be used.
  public init(spool file: URL) throws(FileError) {
    let (spool, held) = try ProofSpool.open(file)
    state.withLock { state in
      state.spool = spool
      state.proofs = held.proofs
      state.lastTimestamp = held.lastTimestamp
    }
  }

  /// Whether the proofs are kept in a file as well.
  public var isSpooled: Bool { state.withLock { $0.spool != nil } }

  /// Why the file is no longer written, when that is so.
  public var spoolFailure: String? { state.withLock { $0.spoolFailure } }

  /// The timestamp of the last report, in unix seconds; 0 before the first.
  ///
  /// With a file it outlives the process.
  public var lastTimestamp: Int64 { state.withLock { $0.lastTimestamp } }

  /// Records the timestamp of a report before it is sent.
  public func note(timestamp: Int64) {
    state.withLock { state in
      state.lastTimestamp = max(state.lastTimestamp, timestamp)
      let waiting = state.proofs
      state.spool { try $0.note(timestamp: timestamp, leaving: waiting) }
    }
  }

  /// Adds a proof at the end.
  public func append(_ proof: InferenceProof) {
    state.withLock { state in
      state.proofs.append(proof)
      state.spool { try $0.append(proof) }
      // Under the lock, so that it sends in the buffer's order.
      broadcast.send(proof)
    }
  }

  /// The proofs that are added from now on, for whoever submits them elsewhere too.
  ///
  /// Each comes once, whatever becomes of it here; the stream ends with its reader's task,
  /// and with the buffer.
  public func arrivals() -> AsyncStream<InferenceProof> { broadcast.subscribe() }

  /// How many proofs wait.
  public var count: Int { state.withLock { $0.proofs.count } }

  /// The proofs that wait, oldest first.
  public var pending: [InferenceProof] { state.withLock { $0.proofs } }

  /// The oldest proofs; they stay in the buffer.
  /// - Parameter limit: how many at most.
  public func batch(limit: Int = .max) -> Batch {
    precondition(limit >= 0, "a batch of \(limit) proofs")
    return state.withLock { state in
      let proofs = Array(state.proofs.prefix(limit))
      return Batch(proofs: proofs, end: state.acknowledged + proofs.count)
    }
  }

  /// Removes a batch whose report was accepted; doing it twice does no harm.
  public func acknowledge(_ batch: Batch) {
    state.withLock { state in
      let count = max(0, min(batch.end - state.acknowledged, state.proofs.count))
      guard count > 0 else { return }
      state.proofs.removeFirst(count)
      state.acknowledged += count
      let rest = state.proofs
      state.spool { try $0.acknowledge(count, leaving: rest) }
    }
  }
}
