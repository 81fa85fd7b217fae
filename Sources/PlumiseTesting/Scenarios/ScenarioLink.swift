import AsyncPrimitives
import Synchronization

/// A connection between two parts of a scenario, in memory.
///
/// Each message takes a while, there and back. A test can cut the link, slow it down, and have answers
/// lost on their way back, when the other side has acted already.
public final class ScenarioLink: Sendable {
  private struct State {
    var random: SeededGenerator
    var latency: Duration
    var isCut = false
    var answersToLose = 0
  }

  /// Which parts it connects: `client-node0`.
  public let name: String
  /// The latency of an undisturbed link, one way.
  private let normal: Duration
  private let clock: ManualClock
  private let state: Mutex<State>

  init(_ name: String, latency: Duration, seed: UInt64, clock: ManualClock) {
    self.name = name
    self.clock = clock
    normal = latency
    state = Mutex(State(random: SeededGenerator(seed: seed), latency: latency))
  }

  /// Whether it carries nothing.
  public var isCut: Bool { state.withLock { $0.isCut } }

  /// Carries nothing from here on; what is on its way is lost.
  public func cut() { state.withLock { $0.isCut = true } }

  /// Has the answers of the next requests lost; the other side has acted by then.
  public func loseAnswers(_ count: Int) { state.withLock { $0.answersToLose = count } }

  /// Makes messages take so long from here on, one way.
  public func delay(by latency: Duration) { state.withLock { $0.latency = latency } }

  /// Takes every fault back.
  public func heal() {
    state.withLock { state in
      state.isCut = false
      state.answersToLose = 0
      state.latency = normal
    }
  }

  /// Carries a request there, has it handled, and carries the answer back.
  /// - Throws: ``Failure``; what `handle` throws, which counts as an answer.
  func carry<Answer: Sendable>(
    isolation: isolated (any Actor)? = #isolation, _ handle: () async throws -> Answer
  ) async throws -> Answer {
    try await pass(.notDelivered)
    let answer: Result<Answer, any Error>
    do { answer = .success(try await handle()) } catch { answer = .failure(error) }
    let isLost = state.withLock { state in
      guard state.answersToLose > 0 else { return false }
      state.answersToLose -= 1
      return true
    }
    if isLost { throw Failure.answerLost }
    try await pass(.answerLost)
    return try answer.get()
  }

  private func pass(
    _ failure: Failure, isolation: isolated (any Actor)? = #isolation
  ) async throws {
    if isCut { throw failure }
    // In few steps: messages that leave together often arrive together.
    let latency = state.withLock { state in
      state.latency + state.latency * Int.random(in: 0...3, using: &state.random) / 4
    }
    if latency > .zero { try await clock.sleep(for: latency) }
    if isCut { throw failure }
  }

  /// Why a request has no answer.
  enum Failure: Error, CustomStringConvertible {
    /// The other side was not reached.
    case notDelivered
    /// The other side may have acted.
    case answerLost

    var description: String {
      switch self {
      case .notDelivered: "the link is cut"
      case .answerLost: "the answer was lost"
      }
    }
  }
}
