public import PlumiseWire
import Synchronization

/// Proofs on their way to the oracle: each stays until a report that carried it was accepted.
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

  private struct State {
    var proofs: [InferenceProof] = []
    /// How many proofs were acknowledged before the first one that is kept.
    var acknowledged = 0
    var listeners: [UInt64: AsyncStream<InferenceProof>.Continuation] = [:]
    var nextListener: UInt64 = 0
  }

  private let state = Mutex(State())

  /// Makes an empty buffer.
  public init() {}

  /// Adds a proof at the end.
  public func append(_ proof: InferenceProof) {
    state.withLock { state in
      state.proofs.append(proof)
      for listener in state.listeners.values { listener.yield(proof) }
    }
  }

  /// The proofs that are added from now on, for whoever proves them elsewhere too.
  ///
  /// Each comes once, whatever becomes of it here; the stream ends with its reader's task.
  public func arrivals() -> AsyncStream<InferenceProof> {
    let (stream, listener) = AsyncStream.makeStream(of: InferenceProof.self)
    let id = state.withLock { state in
      defer { state.nextListener += 1 }
      state.listeners[state.nextListener] = listener
      return state.nextListener
    }
    listener.onTermination = { [weak self] _ in
      _ = self?.state.withLock { $0.listeners.removeValue(forKey: id) }
    }
    return stream
  }

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

  /// Lets go of a batch whose report was accepted; doing it twice does no harm.
  public func acknowledge(_ batch: Batch) {
    state.withLock { state in
      let count = max(0, min(batch.end - state.acknowledged, state.proofs.count))
      state.proofs.removeFirst(count)
      state.acknowledged += count
    }
  }
}
