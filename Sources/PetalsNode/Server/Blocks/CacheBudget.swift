import AsyncPrimitives
import Synchronization

/// The budget of a node's cache memory, which all of its sessions share.
///
/// A session reserves its maximum before its first token, so that it is refused when it is opened
/// and not during a generation. A pass without a session reserves its own tokens.
final class CacheBudget: Sendable {
  private struct Accounts: Sendable {
    var used = 0
    var sessions = 0
  }

  private let budget: Int
  private let bytesPerToken: Int
  private let capacity: @Sendable (Int) -> Int
  private let accounts = AsyncState(Accounts())

  /// Accounts for `budget` bytes.
  ///
  /// - Parameters:
  ///   - bytesPerToken: What a token takes in all of the node's blocks.
  ///   - capacity: Tokens for which a cache of so many tokens has room.
  init(
    budget: Int, bytesPerToken: Int, capacity: @escaping @Sendable (_ tokens: Int) -> Int
  ) {
    // What is left is a number of tokens that fit.
    let step = bytesPerToken * capacity(1)
    self.budget = step > 0 ? budget / step * step : budget
    self.bytesPerToken = bytesPerToken
    self.capacity = capacity
  }

  /// The state of the accounts.
  var usage: CacheUsage {
    let accounts = accounts.value
    return CacheUsage(
      usedBytes: accounts.used, budgetBytes: budget, sessions: accounts.sessions,
      bytesPerToken: bytesPerToken)
  }

  /// Returns once no session holds memory.
  ///
  /// - Throws: `CancellationError`.
  func waitUntilIdle() async throws {
    try await accounts.wait { $0.sessions == 0 }
  }

  /// Returns once a session holds memory.
  ///
  /// - Throws: `CancellationError`.
  func waitUntilBusy() async throws {
    try await accounts.wait { $0.sessions > 0 }
  }

  /// Reserves the cache of a session or a pass of at most `tokens` tokens.
  ///
  /// - Parameters:
  ///   - tokens: Most tokens that it will hold.
  ///   - bytesPerToken: What a token takes in the blocks that it goes through.
  ///   - holder: What it is for, in messages.
  /// - Throws: ``NodeError/Code/resourceExhausted`` when the budget does not allow it.
  func reserveCache(
    tokens: Int, bytesPerToken: Int, for holder: String
  ) throws(NodeError) -> CacheReservation {
    try reserve(capacity(tokens), tokens: tokens, bytesPerToken, holder)
  }

  /// Reserves memory other than a cache's.
  ///
  /// - Throws: ``NodeError/Code/resourceExhausted`` when the budget does not allow it.
  func reserve(
    tokens: Int, bytesPerToken: Int, for holder: String
  ) throws(NodeError) -> CacheReservation {
    try reserve(tokens, tokens: tokens, bytesPerToken, holder)
  }

  private func reserve(
    _ capacity: Int, tokens: Int, _ bytesPerToken: Int, _ holder: String
  ) throws(NodeError) -> CacheReservation {
    let (bytes, overflow) = capacity.multipliedReportingOverflow(by: bytesPerToken)
    let left: Int? = accounts.update { [budget] accounts in
      let left = budget - accounts.used
      guard !overflow, bytes <= left else { return left }
      accounts.used += bytes
      accounts.sessions += 1
      return nil
    }
    if let left {
      throw NodeError(
        .resourceExhausted,
        "\(holder) needs \(overflow ? "too many" : "\(bytes)") bytes of cache for \(tokens) tokens, but "
          + "\(max(0, left)) of \(budget) are left: ask for fewer tokens, or another node")
    }
    return CacheReservation(bytes: bytes, budget: self)
  }

  fileprivate func release(_ bytes: Int) {
    accounts.update { accounts in
      accounts.used -= bytes
      accounts.sessions -= 1
    }
  }
}

/// Cache memory that a session holds until it releases it, or is forgotten.
final class CacheReservation: Sendable {
  /// What was reserved.
  let bytes: Int
  private let budget: CacheBudget
  private let isHeld = Mutex(true)

  fileprivate init(bytes: Int, budget: CacheBudget) {
    self.bytes = bytes
    self.budget = budget
  }

  deinit { release() }

  /// Gives the memory back; a second time does nothing.
  func release() {
    let wasHeld = isHeld.withLock { held in
      defer { held = false }
      return held
    }
    if wasHeld { budget.release(bytes) }
  }
}
