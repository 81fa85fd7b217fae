import ArgumentParser
import EthereumClient
import MockOracle
import PlumiseWire

/// What an oracle that is deployed does on the chain by itself, and what of it is left out.
struct ChainOperationOptions: ParsableArguments {
  @Flag(
    inversion: .prefixedNo,
    help: "Register nodes that join and are not on the chain, with --dialect deployed.")
  var sponsoring = true

  @Flag(inversion: .prefixedNo, help: "Send heartbeats for the pipelines' members.")
  var heartbeats = true

  @Flag(inversion: .prefixedNo, help: "Report the active agents' contributions.")
  var contributions = true

  @Flag(inversion: .prefixedNo, help: "Share out the rewards of an epoch that has ended.")
  var distribution = true

  @Flag(inversion: .prefixedNo, help: "Claim the pending rewards of active nodes.")
  var claims = true

  @Flag(
    inversion: .prefixedNo,
    help: """
      Open challenges in the main network's ChallengeManager; without either option, while the chain has \
      that contract.
      """)
  var challenges: Bool?

  @Option(
    within: WholeNumbers("a number of blocks", 1...1_000_000_000),
    help: "Report contributions after so many blocks.")
  var reportBlocks = PlumiseNetwork.epochBlocks

  private var switches: [(operation: ChainOperation, name: String, isOn: Bool)] {
    [
      (.registration, "sponsoring", sponsoring), (.heartbeats, "heartbeats", heartbeats),
      (.contributions, "contributions", contributions),
      (.distribution, "distribution", distribution), (.claims, "claims", claims),
      (.challenges, "challenges", challenges != false),
    ]
  }

  /// Refuses switches of operations that the oracle does not have.
  /// - Parameter areThere: whether it has any.
  func requireUse(_ areThere: Bool) throws {
    guard !areThere else { return }
    let name =
      switches.first { !$0.isOn }.map { "--no-\($0.name)" }
      ?? (challenges == true ? "--challenges" : nil)
      ?? (reportBlocks == PlumiseNetwork.epochBlocks ? nil : "--report-blocks")
    guard let name else { return }
    throw ValidationError(
      "\(name) is about what an oracle does on the chain by itself: it needs --dialect deployed, "
        + "--chain-rpc and --reporter-key-file")
  }

  /// The plan of what is not left out.
  func plan(_ account: OracleAccount) -> ChainOperationsPlan {
    let operations = switches.filter(\.isOn).map(\.operation) + [.monitoring]
    return ChainOperationsPlan(
      account: account, operations: Set(operations), reportBlocks: reportBlocks,
      challengeManager: PlumiseNetwork.Contract.challengeManager,
      awaitsChallengeManager: challenges == nil)
  }
}
