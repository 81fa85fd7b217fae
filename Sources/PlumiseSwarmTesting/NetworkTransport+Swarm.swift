import PetalsSwarm
public import PlumiseTesting

extension NetworkTransport {
  /// A swarm of Petals: each node and each client has a libp2p peer (p2pd) of its own on 127.0.0.1.
  ///
  /// ```swift
  /// import PlumiseSwarmTesting
  /// import PlumiseTesting
  /// import Testing
  ///
  /// @Test("A swarm of two nodes generates what one generates", .network(nodes: 2, transport: .swarm))
  /// func swarm() async throws {
  ///   let network = try PetalsNetwork.current
  ///   let text = try await network.generate("Hello", maxNewTokens: 8)
  ///   #expect(try await text.generatedIDs == network.generateLocally("Hello", maxNewTokens: 8))
  /// }
  /// ```
  ///
  /// A test is skipped, with the reason, where p2pd is missing. The swarm runs in real time, not on the
  /// network's clock, and a plan's faulty links to nodes are not on its ways.
  public static var swarm: Self { swarm(in: .loopback) }

  /// A swarm of Petals at a place.
  ///
  /// - Parameter place: Where its peers are. A test is skipped, with the reason, where this machine has no
  ///   such place.
  public static func swarm(in place: SwarmPlace) -> Self {
    Self(
      unavailability: {
        do {
          _ = try SwarmDaemonFile.find()
        } catch {
          return "\(error)"
        }
        return place == .namespaces ? await NetworkNamespaces.unavailability : nil
      },
      begin: { try await SwarmNetwork.start($0, in: place) })
  }
}

/// Where the peers of a network's swarm are.
public struct SwarmPlace: Hashable, Sendable {
  private enum Kind: Hashable {
    case loopback
    case namespaces
  }

  private let kind: Kind

  /// On 127.0.0.1, each on a free port.
  public static let loopback = Self(kind: .loopback)

  /// Each in a network namespace of its own, with an address of its own, joined by a bridge that this test
  /// alone has (Linux, root, iproute2): a test can cut some off from the others
  /// (``SwarmNetwork/partition(off:)``).
  public static let namespaces = Self(kind: .namespaces)
}
