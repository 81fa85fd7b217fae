import EthereumPrimitives
import HTTPTypes
package import MockOracle
import MockServing
package import NetworkWatch

extension OracleAnswer {
  /// What the oracle's journal says of a request.
  package init(_ entry: OracleEntry) {
    let outcome: Outcome =
      switch entry.outcome {
      case .accepted: .accepted
      case .registered: .registered
      case .refused: .refused
      case .served: .served
      case .unknownRoute: .unknown
      }
    self.init(
      method: entry.request.method.rawValue, path: entry.request.path, status: entry.status,
      outcome: outcome, agent: entry.agent?.checksummed,
      tokens: (entry.accepted?.processedTokens).map { Int($0) },
      reason: entry.nearMiss ?? entry.refusal?.description, isNearMiss: entry.nearMiss != nil,
      notes: entry.notes)
  }
}
