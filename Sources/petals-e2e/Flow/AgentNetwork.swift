import ArgumentParser
import Bloom
import EthereumPrimitives
import MockWeb3
import OracleReporter
import PlumiseWire

/// Which network `up` starts.
enum NetworkKind: String, CaseIterable, ExpressibleByArgument {
  /// Nodes with accounts of their own, and an oracle that speaks both dialects.
  case documented
  /// The network that runs today: the deployed oracle, agents in its pipeline, and a gateway.
  case agents
}

/// Which network a session starts.
enum NetworkForm: Sendable {
  case documented
  /// The network that runs today; one place of its pipeline, from 1 on, may be left to others.
  case agents(leavingPlace: Int?)

  var kind: NetworkKind {
    switch self {
    case .documented: .documented
    case .agents: .agents
    }
  }
}

/// Which network `up` starts, and which places of it are for others.
struct AgentNetworkOptions: ParsableArguments {
  @Option(
    name: .customLong("network"),
    help: """
      documented, or agents: the deployed oracle with what it does on the chain, agents in its \
      pipeline, and a gateway.
      """)
  var kind = NetworkKind.documented

  @Option(
    within: WholeNumbers("a place", 1...256),
    help: "Leave this place of the pipeline, from 1 on, to an agent of another program.")
  var leavePlace: Int?

  var form: NetworkForm { kind == .agents ? .agents(leavingPlace: leavePlace) : .documented }

  func validate(nodes: Int) throws {
    guard let leavePlace else { return }
    guard kind == .agents else {
      throw ValidationError("--leave-place needs --network agents: its pipeline has the places")
    }
    guard leavePlace <= nodes else {
      throw ValidationError("--leave-place \(leavePlace) is behind the last of \(nodes) places")
    }
  }
}

/// What a network of agents has besides chain, oracle and nodes.
struct AgentNetwork: Sendable {
  /// A place of the pipeline, and who takes it.
  struct Place: Sendable {
    let blocks: BlockRange
    let key: SecretKey
    let grpcPort: Int
    let httpPort: Int

    var grpcURL: String { "http://127.0.0.1:\(grpcPort)" }
    var httpURL: String { "http://127.0.0.1:\(httpPort)" }
    /// The memory that the agent names: the oracle shares layers by it.
    var ramMegabytes: Int64 { Int64(blocks.count) * 1024 }

    /// The place in the oracle's pipeline until its agent has it.
    func reservation(at oracle: OracleURL, model: String) -> PipelineReservation {
      PipelineReservation(
        url: oracle, model: model, key: key, grpcEndpoint: grpcURL, httpEndpoint: httpURL,
        ramMegabytes: ramMegabytes)
    }

    fileprivate var json: JSON {
      [
        "blocks": .string("\(blocks)"), "agent": .string(key.address.checksummed),
        "key": .string(key.exposedHex()), "grpc": .string(grpcURL), "http": .string(httpURL),
        "ram_mb": .integer(ramMegabytes),
      ]
    }
  }

  /// The model's name in the pipeline and at the gateway.
  let model: String
  let gateway: ServiceProcess
  let gatewayURL: String
  let administrationURL: String
  let freePlace: Place?
  let freeReservation: PipelineReservation?

  var json: JSONObject {
    [
      "network": "agents", "pipeline_model": .string(model), "gateway": .string(gatewayURL),
      "oracle_admin": .string(administrationURL), "free_place": freePlace?.json ?? .null,
    ]
  }

  var text: String {
    var lines = ["admin   \(administrationURL)", "gateway \(gatewayURL)  model \(model)"]
    if let place = freePlace {
      lines.append(
        "free    blocks \(place.blocks)  \(place.grpcURL)  \(place.httpURL)  "
          + "agent \(place.key.address.checksummed)  key \(place.key.exposedHex())")
    }
    return lines.map { $0 + "\n" }.joined()
  }
}

extension NetworkStarter {
  /// Starts the network that runs today.
  ///
  /// Each agent gets its place in the pipeline before the first one starts: an agent that joins alone is
  /// told to serve everything, and nobody tells it otherwise later (drift 37).
  /// - Throws: what a step throws; the children that were started until then go on.
  func startAgents(
    _ path: String, _ checkpoint: Checkpoint, leavingPlace: Int?
  ) async throws -> RunningNetwork {
    let model = try pipelineName(of: checkpoint)
    let ranges = try CommandFailure.checkingInput {
      try BlockRange.split(blockCount: checkpoint.configuration.blockCount, into: options.nodes)
    }
    guard let account = DevelopmentAccount.standard.last else {
      preconditionFailure("there are ten development accounts")
    }
    let (chain, chainURL) = try await startService(
      .chain, ["chain", "--port", "\(options.ports.chain)"])
    let (oracle, oracleURL) = try await startService(
      .oracle,
      [
        "oracle", "--port", "\(options.ports.oracle)", "--dialect", "deployed",
        "--chain-rpc", chainURL, "--reporter-key-file", try keys.write(account.key, name: "oracle"),
        "--admin-port", "0",
      ])
    let administrationURL = try await withDeadline(.seconds(30), "the oracle has no second port") {
      try await oracle.url(of: .oracleAdministration)
    }
    let url = try CommandFailure.checkingInput { try OracleURL(oracleURL) }
    let places = try await reservePlaces(ranges, model, url)
    let free = leavingPlace.map { $0 - 1 }
    let taken = places.enumerated().filter { $0.offset != free }.map(\.element)
    let nodes = try await startAgents(path, model, taken, oracleURL)
    let (gateway, gatewayURL) = try await startService(
      .gateway,
      [
        "gateway", "--oracle", oracleURL, "--port", "\(options.ports.gateway)", "--models", model,
        "--allow-loopback",
      ])
    return RunningNetwork(
      modelPath: path, checkpoint: checkpoint, chain: chain, chainURL: chainURL, oracle: oracle,
      oracleURL: oracleURL, nodes: nodes,
      administrations: try await administrations(of: [
        (chain, .chain, .chainAdministration), (gateway, .gateway, .gatewayAdministration),
      ]),
      agents: AgentNetwork(
        model: model, gateway: gateway, gatewayURL: gatewayURL,
        administrationURL: administrationURL, freePlace: free.map { places[$0] },
        freeReservation: free.map { places[$0].reservation(at: url, model: model) }))
  }

  /// The name by which the oracle knows how many layers the model has.
  private func pipelineName(of checkpoint: Checkpoint) throws -> String {
    let count = checkpoint.configuration.blockCount
    switch count {
    case PlumiseNetwork.modelLayers: return PlumiseNetwork.model
    case 32: return checkpoint.name
    case 64: return "qwen/qwen3-32b"
    case 96: return "qwen/qwen3.5-397b-a17b"
    default:
      throw CommandFailure.wrongInput(
        "--model \(options.model) has \(count) blocks, and the deployed oracle shares out "
          + "\(PlumiseNetwork.modelLayers), 32, 64 or 96: take another model for --network agents")
    }
  }

  private func reservePlaces(
    _ ranges: [BlockRange], _ model: String, _ oracle: OracleURL
  ) async throws -> [AgentNetwork.Place] {
    try await log.run("the agents have places in the pipeline") {
      let ports = options.ports
      let free = ports == .auto ? try LocalPort.free(2 * ranges.count) : []
      let places = ranges.enumerated().map { index, blocks in
        AgentNetwork.Place(
          blocks: blocks, key: .random(),
          grpcPort: free.isEmpty ? ports.agent(index) : free[2 * index],
          httpPort: free.isEmpty ? ports.agentHTTP(index) : free[2 * index + 1])
      }
      for place in places { try await place.reservation(at: oracle, model: model).reserve() }
      return (places, places.map { "\($0.blocks)" }.joined(separator: ", "))
    }
  }

  private func startAgents(
    _ path: String, _ model: String, _ places: [AgentNetwork.Place], _ oracle: String
  ) async throws -> [RunningNetwork.Node] {
    try await log.run("the agents are up and ready") {
      @Sendable func arguments(_ place: AgentNetwork.Place) -> [String] {
        [
          "node", "--model", path, "--pipeline-oracle", oracle, "--pipeline-model", model,
          "--port", "\(place.grpcPort)", "--http-port", "\(place.httpPort)",
          "--ram-mb", "\(place.ramMegabytes)", "--topology-interval", "1",
        ] + options.nodeArguments
      }
      let children = try places.enumerated().map { index, place in
        processes.start(
          "agent (blocks \(place.blocks))",
          arguments(place) + [
            "--key-file", try keys.write(place.key, name: "agent-\(place.blocks)"),
          ], part: "node-\(index + 1)")
      }
      let nodes = try await withDeadline(.seconds(60), "an agent is not in the pipeline") {
        try await zip(places, children).map { ($0, $1) }.concurrentMap { place, child in
          let url = try await child.url(of: .node)
          let httpURL = try await child.url(of: .nodeHTTP)
          // It says so behind the word that it is ready.
          try await child.event { if case .topology(_, _?, _) = $0 { true } else { nil } }
          return RunningNetwork.Node(
            process: child, blocks: place.blocks, key: place.key,
            peer: url.replacing("grpc://", with: ""), httpURL: httpURL,
            arguments: arguments(place))
        }
      }
      // Each process has read its key: however this one ends from here on, no file is left.
      keys.remove()
      let detail = nodes.map { "\($0.blocks) on \($0.peer) (process \($0.process.processID ?? 0))" }
      return (nodes, detail.joined(separator: ", "))
    }
  }
}
