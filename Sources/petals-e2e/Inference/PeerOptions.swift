import ArgumentParser
import PetalsNode

/// The nodes to go through.
struct PeerOptions: ParsableArguments {
  @Option(help: "Nodes that serve the model's blocks, host:port with commas between them.")
  var peers: String?

  @Option(
    help: """
      Seconds for which such a node may give no sign of life amid its work before another takes its \
      place (15 when not said).
      """,
    transform: secondsArgument)
  var peerSilence = 15.0

  func validate() throws {
    guard peerSilence >= 0.1 else {
      throw ValidationError("--peer-silence must be at least 0.1: a node needs time to answer")
    }
  }

  /// How long calls to the peers may take.
  var limits: TransportLimits {
    let silence = Duration.seconds(peerSilence)
    return TransportLimits(connect: min(.seconds(10), silence), silence: silence)
  }

  /// The peers that were named; nil when none were.
  func addresses() throws -> [PeerAddress]? {
    try peers.map { peers in
      try CommandFailure.checkingInput { try PeerAddress.list(parsing: peers) }
    }
  }
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
