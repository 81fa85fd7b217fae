import ArgumentParser
import PetalsNode

/// The nodes to go through.
struct PeerOptions: ParsableArguments {
  @Option(
    within: .peers,
    help: "Nodes that serve the model's blocks, host:port with commas between them.")
  var peers: PeerList?

  @Option(
    within: .peerSilence,
    help: """
      Seconds for which such a node may give no sign of life amid its work before another takes its \
      place.
      """)
  var peerSilence = Seconds(whole: 15)

  /// How long calls to the peers may take.
  var limits: TransportLimits {
    let silence = peerSilence.duration
    return TransportLimits(connect: min(.seconds(10), silence), silence: silence)
  }

  /// The peers that were named; nil when none were.
  var addresses: [PeerAddress]? { peers?.addresses }
}

/// Peers as the command line spells them: `127.0.0.1:31330,127.0.0.1:31331`.
package struct PeerList: Hashable, Sendable {
  let addresses: [PeerAddress]
}

/// Lists of peers, at least one.
package struct PeerLists: OptionLimits {
  package init() {}

  package var limits: String { "" }
  package var expectation: String {
    "peers are host:port with a port from 1 to 65535, and commas between them"
  }

  package func value(_ text: String) -> PeerList? {
    do {
      return PeerList(addresses: try PeerAddress.list(parsing: text))
    } catch {
      // What is expected says it all.
      return nil
    }
  }
}

extension OptionLimits where Self == PeerLists {
  static var peers: Self { PeerLists() }
}

extension CommandFailure {
  /// A failure on the way through nodes, told apart: peers that cannot serve this model are wrong
  /// input, a peer that does not answer is not.
  static func throughPeers<R>(_ body: () async throws -> R) async throws -> R {
    do {
      return try await body()
    } catch let error as RouteError {
      if case .unserved = error { throw failed("\(error)") }
      throw wrongInput("\(error)")
    } catch let error as NodeError {
      switch error.code {
      case .invalidArgument, .outOfRange, .failedPrecondition: throw wrongInput("\(error)")
      default: throw failed("\(error)")
      }
    }
  }
}
