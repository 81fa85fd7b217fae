import ArgumentParser
import PetalsNode

/// The nodes to go through.
struct PeerOptions: ParsableArguments {
  @Option(help: "Nodes that serve the model's blocks, host:port with commas between them.")
  var peers: String?

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
