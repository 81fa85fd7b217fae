import EthereumClient
import MockWeb3
import Synchronization

/// A chain in this process whose answers can be lost, before or after it did what was asked.
final class TestTransport: RPCTransport {
  private struct State {
    var lostRequests = 0
    var lostAnswer: String?
    var heldAnswer: String?
  }

  private let chain: MockWeb3
  private let state = Mutex(State())

  init(chain: MockWeb3) { self.chain = chain }

  /// The next requests do not arrive.
  func fail(next count: Int) { state.withLock { $0.lostRequests = count } }

  /// The next request of a method arrives; its answer does not.
  func loseAnswer(to method: String) { state.withLock { $0.lostAnswer = method } }

  /// The next request of a method arrives; its answer comes when nobody waits for it any more.
  func holdAnswer(to method: String) { state.withLock { $0.heldAnswer = method } }

  func send(_ body: [UInt8]) async throws -> [UInt8] {
    let text = String(decoding: body, as: UTF8.self)
    let (isRequestLost, isAnswerLost) = state.withLock { state in
      let request = state.lostRequests > 0
      if request { state.lostRequests -= 1 }
      let answer = !request && state.lostAnswer.map { text.contains("\"\($0)\"") } ?? false
      if answer { state.lostAnswer = nil }
      return (request, answer)
    }
    let lost = TransportError.connectionLost(url: "test", reason: "on purpose")
    if isRequestLost { throw lost }
    let answer = await chain.respond(to: body)
    let isHeld = state.withLock { state in
      let isHeld = state.heldAnswer.map { text.contains("\"\($0)\"") } ?? false
      if isHeld { state.heldAnswer = nil }
      return isHeld
    }
    if isHeld {
      // The stream ends when the task is cancelled.
      for await _ in AsyncStream<Never>.makeStream().stream {}
      throw CancellationError()
    }
    guard let answer, !isAnswerLost else { throw lost }
    return answer
  }
}
