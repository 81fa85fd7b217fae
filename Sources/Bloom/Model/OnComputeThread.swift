// What a job on a compute thread calls directly, where another way through the pool would cost time.

extension Shard {
  /// Sends tokens of several sessions through the blocks together, to the end, on this thread.
  ///
  /// As `forward(batch:)`; the caller is a compute thread, and decides how long a batch may be.
  package func forwardSync(batch: [SessionStep]) throws -> [HiddenStates] {
    let pass = try ForwardPass(stack, batch)
    let cancellation = Cancellation()
    while true {
      if let results = try pass.step(cancellation) { return results }
    }
  }
}
