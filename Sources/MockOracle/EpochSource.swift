public import EthereumClient
import PlumiseWire

/// How the oracle learns which epoch it is, to account deployed reports to.
public struct EpochSource: Sendable {
  private let ask: @Sendable () async throws -> UInt64

  /// Makes a source that is a function.
  /// - Parameter ask: the current epoch; throws when that cannot be found out.
  public init(_ ask: @escaping @Sendable () async throws -> UInt64) {
    self.ask = ask
  }

  /// One epoch that never ends: what an oracle has that was told of no chain.
  public static let single = EpochSource { 0 }

  /// Asks a chain: an epoch is 1200 blocks (Wire.md, Constants).
  public static func chain(_ client: EthereumClient) -> EpochSource {
    EpochSource { try await client.blockNumber() / PlumiseNetwork.epochBlocks }
  }

  /// The current epoch.
  /// - Throws: whatever the source throws when it cannot find out.
  public func current() async throws -> UInt64 { try await ask() }
}
