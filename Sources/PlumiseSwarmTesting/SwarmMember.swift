import AsyncPrimitives
import Logging
import PetalsNode
import PetalsSwarm

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// A peer of a network's swarm, from its start to its end: beside the test's body, not around it.
final class SwarmMember: Sendable {
  private enum Phase: Sendable {
    case starting
    case running
    case ended((any Error)?)
  }

  let peer: SwarmPeer
  private let isOver: AsyncState<Bool>
  private let running: Task<Void, Never>

  private init(_ peer: SwarmPeer, _ running: Task<Void, Never>, isOver: AsyncState<Bool>) {
    self.peer = peer
    self.running = running
    self.isOver = isOver
  }

  /// Starts a peer, which serves a node if one is given.
  ///
  /// - Throws: `SwarmError`; `CancellationError`, when nothing of it is left.
  static func start(
    _ configuration: SwarmConfiguration, serving: (node: PetalsNode, model: SwarmModel)? = nil,
    logger: Logger
  ) async throws -> SwarmMember {
    let started = AsyncState<Result<SwarmPeer, any Error>?>(nil)
    let isOver = AsyncState(false)
    // Not a child task: it ends by `end`, also when whoever started it was cancelled.
    let running = Task {
      @Sendable func live(_ peer: SwarmPeer) async throws {
        started.update { $0 = .success(peer) }
        try await isOver.wait { $0 }
      }
      do {
        try await withSwarmPeer(configuration, logger: logger) { peer in
          guard let serving else { return try await live(peer) }
          try await withSwarmServer(peer, node: serving.node, model: serving.model) { _ in
            try await live(peer)
          }
        }
      } catch {
        // After its start a peer has nobody to tell: calls to it fail.
        started.update { if $0 == nil { $0 = .failure(error) } }
      }
    }
    do {
      guard let result = try await started.wait(until: { $0 != nil }) else {
        throw CancellationError()
      }
      return SwarmMember(try result.get(), running, isOver: isOver)
    } catch {
      running.cancel()
      await running.value
      throw error
    }
  }

  /// Ends it: it says in the swarm that it leaves, unless it is killed.
  func end(kills: Bool) async {
    // p2pd and its shell; one that has ended already is none to kill.
    if kills, let group = peer.daemonGroup { _ = kill(-group, SIGKILL) }
    isOver.update { $0 = true }
    await running.value
  }
}
