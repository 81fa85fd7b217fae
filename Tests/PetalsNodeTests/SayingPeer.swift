import Bloom
import GRPCCore
import GRPCNIOTransportHTTP2
import PetalsNode
import PipelineRPC
import Synchronization
import Testing

/// A node for a test: what it does not implement it refuses.
protocol PartialPeer: Plumise_Petals_PetalsNode.SimpleServiceProtocol {}

extension PartialPeer {
  func forward(
    request: Plumise_Petals_ForwardRequest, context: ServerContext
  ) async throws -> Plumise_Petals_ForwardResponse {
    throw RPCError(code: .unimplemented, message: "")
  }

  func backward(
    request: Plumise_Petals_BackwardRequest, context: ServerContext
  ) async throws -> Plumise_Petals_BackwardResponse {
    throw RPCError(code: .unimplemented, message: "")
  }

  func deliver(
    request: RPCAsyncSequence<Plumise_Petals_Delivery, any Error>,
    response: RPCWriter<Plumise_Petals_Delivered>, context: ServerContext
  ) async throws {
    throw RPCError(code: .unimplemented, message: "")
  }
}

/// A node that says of itself what it is told to, and puts one number wherever an answer has one.
final class SayingPeer: PartialPeer {
  let info: Mutex<Plumise_Petals_InfoResponse>
  let number = Mutex<UInt64>(0)

  init(_ model: TinyModel) { info = Mutex(Self.description(of: model)) }

  /// The whole tiny model.
  static func description(of model: TinyModel) -> Plumise_Petals_InfoResponse {
    var info = Plumise_Petals_InfoResponse()
    info.modelFingerprint = model.checkpoint.fingerprint
    info.blocks.upper = 24
    info.totalBlocks = 24
    info.hiddenSize = 64
    info.maximumLength = 2048
    info.ready = true
    return info
  }

  func info(
    request: Plumise_Petals_InfoRequest, context: ServerContext
  ) async throws -> Plumise_Petals_InfoResponse { info.withLock { $0 } }

  func session(
    request: RPCAsyncSequence<Plumise_Petals_SessionRequest, any Error>,
    response: RPCWriter<Plumise_Petals_SessionResponse>, context: ServerContext
  ) async throws {
    for try await message in request {
      let number = number.withLock { $0 }
      var answer = Plumise_Petals_SessionResponse()
      switch message.kind {
      case .step(let step):
        answer.step.stepID = step.stepID
        answer.step.hiddenStates = step.hiddenStates
        answer.step.position = Int32(truncatingIfNeeded: number)
        answer.step.computeNanoseconds = number
      case .finish: answer.finished.processedTokens = number
      default: answer.opened.reservedBytes = number
      }
      try await response.write(answer)
    }
  }
}

/// Runs a body with a gRPC server on any free port.
///
/// The server ends with its last call: one that is cancelled while a connection comes in stops the
/// process.
/// - Parameter release: ends the calls that wait for something.
func withGRPCServer(
  _ service: any RegistrableRPCService, release: () -> Void = {},
  _ body: (PeerAddress) async throws -> Void
) async throws {
  let transport = HTTP2ServerTransport.Posix(
    address: .ipv4(host: "127.0.0.1", port: 0), transportSecurity: .plaintext)
  let server = GRPCServer(transport: transport, services: [service])
  try await withThrowingDiscardingTaskGroup { group in
    group.addTask {
      do {
        try await server.serve()
      } catch {
        // It was cancelled below; where it did not listen, nobody gets its address.
      }
    }
    let port = try await transport.listeningAddress.ipv4?.port
    defer {
      release()
      server.beginGracefulShutdown()
    }
    try await body(PeerAddress(host: "127.0.0.1", port: #require(port)))
  }
}
