import AsyncPrimitives
import GRPCCore
import GRPCNIOTransportHTTP2
import PipelineRPC
import Synchronization

/// One connection to a peer, from its first call until it is given up.
final class GRPCConnection: Sendable {
  typealias Service = Plumise_Petals_PetalsNode.Client<HTTP2ClientTransport.Posix>

  let service: Service
  let liveness: PeerLiveness
  private let client: GRPCClient<HTTP2ClientTransport.Posix>
  private let running: Task<Void, Never>
  private let calls = Mutex(0)

  /// - Parameter connections: Where the connection runs; it ends with that scope at the latest.
  init(
    to address: PeerAddress, silence: Duration, clock: any Clock<Duration>,
    on thread: EventLoopExecutor,
    in connections: TaskScope
  ) throws {
    let client = try GRPCClient(transport: .petals(to: address, on: thread))
    self.client = client
    service = Service(wrapping: client)
    liveness = PeerLiveness(limit: silence, clock: clock)
    running = connections.spawn {
      do {
        try await client.runConnections()
      } catch {
        // It was ended before this began, or its calls have been told what is wrong.
      }
    }
  }

  /// A call or a session begins.
  func begin() { calls.withLock { $0 += 1 } }

  /// It ended.
  func end() { calls.withLock { $0 -= 1 } }

  /// Whether a single call is all that the connection has.
  var hasOneCall: Bool { calls.withLock { $0 == 1 } }

  /// Whether any call or session has not ended.
  var isUsed: Bool { calls.withLock { $0 > 0 } }

  /// Takes no more calls, and ends with the last of those that it has.
  func close() { client.beginGracefulShutdown() }

  /// Ends at once, with all of its calls.
  func cancel() {
    close()
    running.cancel()
  }

  /// Sends a request that any live peer answers at once.
  ///
  /// - Throws: What the call throws, when that is no answer of the peer.
  func probe() async throws {
    do {
      _ = try await service.info(Plumise_Petals_InfoRequest(), options: .petals)
    } catch let error as RPCError where !Self.transportCodes.contains(error.code) {
      // A refusal is an answer too.
    }
  }

  /// Codes that the transport produces without the peer.
  private static let transportCodes: [RPCError.Code] = [
    .unavailable, .cancelled, .deadlineExceeded,
  ]
}
