import ArgumentParser
import EVM
import EthereumPrimitives
import Foundation
import MockServing
import MockWeb3
import NetworkWatch
import PlumiseTesting
import PlumiseWire
import SystemErrors

extension RPCExchange {
  /// The call and its error, or the beginning of its answer; then what its transactions ran into.
  fileprivate var logLines: [String] {
    let arguments = parameters.map(\.text).joined(separator: ", ")
    let answer =
      switch outcome {
      case .success(let result): result.text
      case .failure(let failure): "error \(failure.code): \(failure.message)"
      }
    let line = "\(method)(\(arguments.shortened)) → \(answer.shortened)"
    return [line.singleLine] + warnings.map { "  " + $0.singleLine }
  }
}

extension String {
  /// The first 200 characters.
  fileprivate var shortened: String { count > 200 ? prefix(200) + "…" : self }
}

/// `chain`: a development chain of its own.
struct ChainCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "chain",
    abstract: "Serve a Plumise chain with ten funded accounts over JSON-RPC.",
    discussion: """
      The accounts are the first ten of the mnemonic
        \(DevelopmentAccount.mnemonic)
      on m/44'/60'/0'/0/i, with 10 000 PLM each.

      EXAMPLE
        petals-e2e chain --port 26902
      """)

  @Option(within: .port, help: "The port to listen on; 0 takes any free one.")
  var port = 26902

  @Option(
    within: .chainID,
    help: """
      The chain's id; \(PlumiseNetwork.chainID), or the genesis file's or the forked chain's, when not \
      said.
      """)
  var chainID: UInt64?

  @Option(
    within: .time,
    help: "Seconds from block to block; 0, the default, makes a block for each transaction.")
  var blockTime: Seconds?

  @Option(
    help: """
      default (the documented network), testnet2026 (the live testnet's faults) or mainnet2026 (the \
      main network's bytecode).
      """)
  var profile = ChainProfile.default

  @Option(
    help: """
      The rules that bytecode runs by: \(Hardfork.allCases.map(\.rawValue).joined(separator: ", ")). \
      Those of the genesis file, or London's, when not said.
      """)
  var hardfork: Hardfork?

  @Option(
    help: "A genesis file of go-ethereum: its accounts are there in addition to the ten.",
    completion: .file(extensions: ["json"]))
  var genesis: String?

  @Option(
    help: ArgumentHelp(
      "An artifact of Hardhat or Foundry whose contract is there from the first block on.",
      discussion: "Can be given several times.", valueName: "artifact"),
    completion: .file(extensions: ["json"]))
  var deploy: [String] = []

  @Option(
    within: .serviceURL,
    help: "A chain to fork: what was before is read from it, and nothing is sent to it.")
  var forkURL: String?

  @Option(
    within: .blockNumber,
    name: [.customLong("fork-block-number"), .customLong("fork-block")],
    help: "The block to fork at; the latest when not said.")
  var forkBlockNumber: UInt64?

  @Flag(
    inversion: .prefixedNo,
    help: """
      Seal blocks as Clique does, and as the live chain: 97 bytes of extra data, signed by the first \
      account.
      """)
  var proofOfAuthority = true

  @Option(help: "What is written beside the results: calls, a line for each request.")
  var log: Log?

  /// What a chain writes.
  enum Log: String, CaseIterable, ExpressibleByArgument {
    case calls
  }

  @Option(
    help: "A file that keeps the chain: it goes on from there, also after a crash.",
    completion: .file())
  var state: String?

  @OptionGroup var faults: FaultOptions
  @OptionGroup var service: ServiceOptions

  func validate() throws {
    guard forkURL != nil else { return }
    let others = [
      ("--state", state != nil), ("--genesis", genesis != nil), ("--deploy", !deploy.isEmpty),
    ]
    if let (name, _) = others.first(where: \.1) {
      throw ValidationError(
        "\(name) cannot be combined with --fork-url: a forked chain begins with another chain's block"
      )
    }
  }

  func run() async throws {
    var configuration = ChainConfiguration(
      chainID: chainID ?? PlumiseNetwork.chainID, profile: profile)
    if let mining { configuration.mining = mining }
    configuration.journalCapacity = ServiceMemory.unreadJournal
    if proofOfAuthority { configuration.sealer = configuration.accounts.first?.key }
    let contracts = try await begin(&configuration)
    let chain = try chain(configuration)
    // What is said here wins over what the file remembers.
    if let mining, state != nil { chain.setMining(mining) }
    if faults.adminPort != nil { chain.seedFaults(faults.faultSeed) }
    let observation = service.observation()
    if observation.isOn {
      let rewardPool = chain.configuration.rules.poolAddress
      chain.observeBlocks {
        observation.record(.block(BlockNews($0, failures: $1, rewardPool: rewardPool)))
      }
    }
    let signals = service.shutdownSignals()
    var details: JSONObject = ["accounts": .array(configuration.accounts.map(description))]
    if !contracts.isEmpty {
      details["contracts"] = .array(
        contracts.map { ["name": .string($0.name), "address": .string($0.address.checksummed)] })
    }
    let server = ServerConfiguration(
      host: service.host, port: port, maximumBodyBytes: 5 << 20, serviceName: "chain")
    try await CommandFailure.mappingServingErrors {
      try await chain.withServer(server) { address in
        if !service.output.json {
          announceAccounts(configuration.accounts)
          for contract in contracts {
            service.output.note("contract \(contract.name)  \(contract.address.checksummed)")
          }
        }
        service.announce(.listening(.chain, url: address.url), details: details)
        try await faults.withAdministration(
          chain.faultAdministration.observed { observation.record($0) }, of: .chain,
          as: .chainAdministration, service
        ) { _ = try await signals.next() }
      }
    }
    await observation.finish()
  }

  /// Forks another chain, or takes over the genesis file and creates the contracts of the artifacts.
  private func begin(
    _ configuration: inout ChainConfiguration
  ) async throws -> [(name: String, address: Address)] {
    do {
      if let forkURL {
        try await configuration.fork(from: forkURL, at: forkBlockNumber)
      } else if forkBlockNumber != nil {
        throw CommandFailure.wrongInput(
          "--fork-block-number needs --fork-url: name the chain to fork")
      }
      if let genesis {
        configuration.apply(try GenesisFile(contentsOf: URL(filePath: genesis)))
      }
      // What is said here wins over the other chain's and the file's; constructors see it.
      if let chainID { configuration.rules.chainID = chainID }
      if let hardfork { configuration.rules.hardfork = hardfork }
      return try deploy.map { path in
        let artifact = try ContractArtifact(contentsOf: URL(filePath: path))
        return (artifact.name, try configuration.deploy(artifact))
      }
    } catch let error as ForkError {
      throw CommandFailure.wrongInput("--fork-url: \(error)")
    } catch let error as GenesisFileError {
      throw CommandFailure.wrongInput("\(error)")
    } catch let error as DeploymentError {
      throw CommandFailure.wrongInput("--deploy: \(error)")
    }
  }

  /// The mining mode that was asked for, or nil.
  private var mining: MiningMode? {
    blockTime.map { $0.value > 0 ? .every($0.duration) : .automatic }
  }

  private func chain(_ configuration: ChainConfiguration) throws -> MockWeb3 {
    let service = service
    let isLogging = log == .calls
    let onExchange: @Sendable (RPCExchange) -> Void = { exchange in
      guard isLogging else { return }
      for line in exchange.logLines { service.output.note(line) }
    }
    guard let state else { return MockWeb3(configuration, onExchange: onExchange) }
    do {
      return try MockWeb3(
        configuration, stateFile: URL(filePath: state), onExchange: onExchange)
    } catch let error as FileError {
      throw CommandFailure.wrongInput("--state \(state): \(error)")
    }
  }

  private func description(of account: DevelopmentAccount) -> JSON {
    [
      "address": .string(account.address.checksummed),
      "key": .string(account.key.exposedHex()),
    ]
  }

  /// Everybody knows these keys: they may be shown.
  private func announceAccounts(_ accounts: [DevelopmentAccount]) {
    for (index, account) in accounts.enumerated() {
      service.output.note(
        "account \(index)  \(account.address.checksummed)  \(account.key.exposedHex())")
    }
  }
}
