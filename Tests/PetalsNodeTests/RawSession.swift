import Bloom
import Foundation
import GRPCCore
import GRPCNIOTransportHTTP2
import MockServing
import PipelineRPC
import TestSupport
import Testing

/// A session whose requests a test sends one by one, and whose answers it reads when it likes.
final class RawSession: Sendable {
  /// What the node has answered.
  let answers = Journal<Plumise_Petals_SessionResponse>()
  fileprivate let requests = AsyncStream<Plumise_Petals_SessionRequest>.makeStream()
  fileprivate let ended = Journal<Bool>()

  /// Sends a request, without waiting for anything.
  func send(_ request: Plumise_Petals_SessionRequest) { requests.continuation.yield(request) }

  /// The hidden states that came of a step, which is waited for.
  func answer(to id: UInt64) async throws -> HiddenStates {
    let answer = try await endsInTime(butCame: "\(answers.entries.count) answers") { [answers] in
      try await answers.next { $0.step.stepID == id }
    }
    let tensor = answer.step.hiddenStates
    let sizes = tensor.shape.map { Int($0) }
    try #require(sizes.count == 2)
    let values = tensor.data.withUnsafeBytes { bytes in
      (0..<sizes[0] * sizes[1]).map { bytes.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self) }
    }
    return try HiddenStates(tokens: sizes[0], hidden: sizes[1], values: values)
  }

  /// Waits until the node has ended the call.
  func waitForEnd() async throws { _ = try await ended.next() }
}

/// Runs a body with a session; the call ends with it.
///
/// - Throws: What the body throws, or else what ended the call.
func withRawSession(
  _ service: Plumise_Petals_PetalsNode.Client<HTTP2ClientTransport.Posix>,
  _ body: (RawSession) async throws -> Void
) async throws {
  let session = RawSession()
  try await withThrowingTaskGroup(of: Void.self) { group in
    group.addTask {
      defer { session.ended.record(true) }
      try await service.session { writer in
        for await request in session.requests.stream { try await writer.write(request) }
      } onResponse: { response in
        for try await answer in response.messages { session.answers.record(answer) }
      }
    }
    defer { session.requests.continuation.finish() }
    try await body(session)
    session.requests.continuation.finish()
    try await group.waitForAll()
  }
}
