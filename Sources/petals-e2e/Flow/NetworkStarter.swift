import Bloom
import EthereumClient
import EthereumPrimitives
import Foundation
import PetalsNode

/// The first steps of the flow: starts a network and waits until its agents send heartbeats.
struct NetworkStarter: Sendable {
  let options: NetworkOptions
  let form: NetworkForm
  let processes: NetworkProcesses
  let log: StepLog
  let keys: KeyFolder
  let quiet: Bool
  /// Whether services have a second port for orders of faults.
  let servicesTakeFaults: Bool

  /// Starts everything.
  /// - Throws: what a step throws; the children that were started until then go on.
  func start(_ path: String, _ checkpoint: Checkpoint) async throws -> RunningNetwork {
    if case .agents(let freePlace) = form {
      return try await startAgents(path, checkpoint, leavingPlace: freePlace)
    }
    let ranges = try CommandFailure.checkingInput {
      try BlockRange.split(blockCount: checkpoint.configuration.blockCount, into: options.nodes)
    }
    let chainArguments = ["chain", "--port", "\(options.ports.chain)"]
    let (chain, chainURL) = try await startService(.chain, chainArguments)
    let oracleArguments = [
      "oracle", "--port", "\(options.ports.oracle)", "--dialect", "both", "--chain-rpc", chainURL,
    ]
    let (oracle, oracleURL) = try await startService(.oracle, oracleArguments)
    let agents = try await fundAgents(chainURL)
    let nodes = try await startNodes(path, ranges, agents, chainURL, oracleURL)
    let network = RunningNetwork(
      modelPath: path, checkpoint: checkpoint, chain: chain, chainURL: chainURL, oracle: oracle,
      oracleURL: oracleURL, nodes: nodes,
      administrations: try await administrations(of: [
        (chain, .chain, .chainAdministration), (oracle, .oracle, .oracleAdministration),
      ]))
    try await waitForRegistrations(network)
    try await waitForHeartbeats(network)
    return network
  }

  /// Opens the model, which is synthesised first if need be.
  func openModel() async throws -> (path: String, checkpoint: Checkpoint) {
    try await log.run("the model is ready") {
      let source = ModelSource(options.model)
      let (path, provenance) = try source.folder(quiet: quiet)
      let origin =
        switch provenance {
        case .named: ""
        case .cached: "cached in "
        case .made: "made in "
        case .madeAgain(let damage): "made again, since it was damaged (\(damage)), in "
        }
      let home = NSHomeDirectory() + "/"
      let shown = path.hasPrefix(home) ? "~/" + path.dropFirst(home.count) : path
      return ((path, try ModelFolder.checkpoint(path)), origin + shown)
    }
  }

  func startService(
    _ service: ServiceEvent.Service, _ arguments: [String]
  ) async throws -> (ServiceProcess, String) {
    let name = service.rawValue
    return try await log.run("the \(name) is up") {
      let orders = servicesTakeFaults && !arguments.contains("--admin-port")
      let child = processes.start(name, arguments + (orders ? ["--admin-port", "0"] : []))
      let url = try await withDeadline(.seconds(30), "the \(name) does not answer") {
        try await child.url(of: service)
      }
      return ((child, url), "\(url) (process \(child.processID ?? 0))")
    }
  }

  /// Where the faults of services are ordered, if they can be.
  func administrations(
    of services: [(ServiceProcess, ServiceEvent.Service, ServiceEvent.Service)]
  ) async throws -> [(name: String, url: String)] {
    guard servicesTakeFaults else { return [] }
    return try await services.concurrentMap { child, service, administration in
      let name = service.rawValue
      return try await withDeadline(.seconds(30), "the \(name) has no second port") {
        (name, try await child.url(of: administration))
      }
    }
  }

  private func fundAgents(_ chainURL: String) async throws -> [SecretKey] {
    try await log.run("the agents have coins") {
      let agents = (0..<options.nodes).map { _ in SecretKey.random() }
      let chain = ChainClient(url: chainURL)
      try await chain.fund(agents.map(\.address))
      return (agents, "100 PLM for each of \(agents.count) agents")
    }
  }

  private func startNodes(
    _ model: String, _ ranges: [BlockRange], _ agents: [SecretKey], _ chain: String,
    _ oracle: String
  ) async throws -> [RunningNetwork.Node] {
    try await log.run("the nodes are up") {
      func arguments(_ blocks: BlockRange) -> [String] {
        [
          "node", "--model", model, "--blocks", "\(blocks)", "--chain-rpc", chain,
          "--oracle", oracle,
        ] + options.nodeArguments
      }
      let children = try zip(ranges, agents).enumerated().map { index, part in
        let (blocks, key) = part
        return processes.start(
          "node \(index + 1) (blocks \(blocks))",
          arguments(blocks) + [
            "--port", "\(options.ports.node(index))",
            "--key-file", try keys.write(key, name: "node-\(index + 1)"),
          ], part: "node-\(index + 1)")
      }
      let urls = try await withDeadline(.seconds(60), "a node does not answer") {
        try await children.concurrentMap { try await $0.url(of: .node) }
      }
      // Each node has read its key: however this process ends from here on, no file is left.
      keys.remove()
      let nodes = zip(zip(children, urls), zip(ranges, agents)).map { child, part in
        let peer = child.1.replacing("grpc://", with: "")
        let port = peer.split(separator: ":").last.map(String.init) ?? "0"
        return RunningNetwork.Node(
          process: child.0, blocks: part.0, key: part.1, peer: peer,
          arguments: arguments(part.0) + ["--port", port])
      }
      let detail = nodes.map { "\($0.blocks) on \($0.peer) (process \($0.process.processID ?? 0))" }
      return (nodes, detail.joined(separator: ", "))
    }
  }

  private func waitForRegistrations(_ network: RunningNetwork) async throws {
    let chain = ChainClient(url: network.chainURL)
    try await log.run("the agents are registered on chain") {
      let names = try await withDeadline(.seconds(30), "an agent is not registered") {
        try await network.nodes.concurrentMap { node in
          try await node.process.event { if case .registered = $0 { true } else { nil } }
          let status = try await chain.status(of: node.agent)
          guard status.isRegistered else {
            throw CommandFailure.failed("the chain does not know agent \(node.agent)")
          }
          return status.metadata
        }
      }
      return ((), names.joined(separator: ", "))
    }
  }

  private func waitForHeartbeats(_ network: RunningNetwork) async throws {
    let chain = ChainClient(url: network.chainURL)
    try await log.run("the agents' heartbeats are on chain") {
      let times = try await withDeadline(.seconds(30), "an agent sends no heartbeat") {
        try await network.nodes.concurrentMap { node in
          try await node.process.event { if case .heartbeat = $0 { true } else { nil } }
          let status = try await chain.status(of: node.agent)
          guard status.lastHeartbeat > 0 else {
            throw CommandFailure.failed("the chain saw no heartbeat of agent \(node.agent)")
          }
          return status.lastHeartbeat
        }
      }
      let last = Date(timeIntervalSince1970: Double(times.max() ?? 0))
      return ((), "the last at \(last.formatted(.iso8601))")
    }
  }
}
