import Bloom

/// A node's first pass, through its own port like anyone else's.
struct SelfTest {
  let node: PetalsNode
  let address: PeerAddress

  /// Sends one token's hidden states through the node's blocks.
  ///
  /// - Throws: ``NodeStartError/selfTestFailed(_:)``; the answer was checked to be finite and of
  ///   the right shape by then.
  func run() async throws {
    let model = node.server.model
    let size = model.hiddenSize
    let hidden = try HiddenStates(
      tokens: 1, hidden: size, values: (0..<size).map { Float($0 % 7) / 7 - 0.5 })
    let blocks = ServedBlocks(fingerprint: model.fingerprint, blocks: model.blocks)
    do {
      _ = try await withGRPCTransports(
        [reachable], limits: node.configuration.limits, clock: node.clock
      ) { try await $0[0].forward(hidden, through: blocks) }
    } catch let error as CancellationError {
      throw error
    } catch {
      // A stop cuts the pass off: that is no failure of the node.
      if node.phase >= .stopping { throw CancellationError() }
      throw NodeStartError.selfTestFailed("\(error)")
    }
  }

  /// An address that stands for all of the machine's is reached through loopback.
  private var reachable: PeerAddress {
    get throws {
      switch address.host {
      case "0.0.0.0": try PeerAddress(host: "127.0.0.1", port: address.port)
      case "::": try PeerAddress(host: "::1", port: address.port)
      default: address
      }
    }
  }
}
