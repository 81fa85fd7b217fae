import ArgumentParser
import Bloom
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
  static func mappingPeerErrors<R>(_ body: () async throws -> R) async throws -> R {
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

/// A run of blocks as the command line spells it, before the model is known: `0-11`, or `7`.
package struct BlockRangeArgument: Hashable, Sendable {
  fileprivate let text: String

  /// The run as a part of a model.
  /// - Throws: `CommandFailure` (wrong input) when the model has fewer blocks.
  func range(of blockCount: Int) throws -> BlockRange {
    do {
      return try BlockRange(parsing: text, of: blockCount)
    } catch {
      throw CommandFailure.wrongInput("--blocks: \(error)")
    }
  }
}

/// Runs of blocks that some model could have.
package struct BlockRanges: OptionLimits {
  /// BLOOM's largest model has 70.
  private static let mostBlocks = 10_000

  package init() {}

  package var limits: String { "" }
  package var expectation: String {
    "blocks are FIRST-LAST, as in 0-11, two whole numbers from 0 to \(Self.mostBlocks - 1) in order"
  }

  package func value(_ text: String) -> BlockRangeArgument? {
    do {
      _ = try BlockRange(parsing: text, of: Self.mostBlocks)
      return BlockRangeArgument(text: text)
    } catch {
      // What is expected says it all.
      return nil
    }
  }
}

extension OptionLimits where Self == BlockRanges {
  static var blocks: Self { BlockRanges() }
}
