import ArgumentParser
import Bloom
import EthereumPrimitives
import Foundation
import OracleReporter
import PetalsNode
import PlumiseWire

/// The options of a node that lives as the network's agents do: in a pipeline of the oracle's.
struct PipelineOptions: ParsableArguments {
  @Option(
    within: .serviceURL,
    help: """
      The oracle whose pipeline the node joins as an agent: it takes the layers it is given unless \
      --blocks names some, follows the topology, and reports there.
      """)
  var pipelineOracle: String?

  @Option(help: "The model's name in the pipeline; without one, the name of its folder.")
  var pipelineModel: String?

  @Option(within: .topologyInterval, help: "Seconds between two readings of the topology.")
  var topologyInterval = Seconds(whole: 30)

  @Option(
    within: .ram, help: "The memory in megabytes by which the oracle shares layers.")
  var ramMb: Int64 = 1024

  @Option(help: "fixed, or faithful to the known faults of the network's agents.")
  var agentProfile = AgentProfile.fixed

  @Option(help: "What an agent sends hidden states in: float32, float16 or bfloat16.")
  var pipelineFormat = PipelineTensorFormat.float32

  @Option(help: "A file whose first line clients must send as a bearer token, but for /health.")
  var apiSecretFile: String?

  @Flag(help: "Stream the events of a node that is no agent: token_text, token_id, is_finished.")
  var legacyStream = false

  func validate() throws {
    guard pipelineOracle == nil else { return }
    if pipelineModel != nil || apiSecretFile != nil || legacyStream {
      throw ValidationError(
        "--pipeline-model, --api-secret-file and --legacy-stream need --pipeline-oracle: they are an "
          + "agent's")
    }
  }

  /// The node's membership in the pipeline; nil when no oracle was named.
  ///
  /// - Parameter name: The model's own name.
  /// - Throws: `CommandFailure` (wrong input).
  func member(
    for key: SecretKey?, _ name: String, announce: @escaping @Sendable (ServiceEvent) -> Void
  ) throws -> PipelineMember? {
    guard let pipelineOracle, let key else { return nil }
    let url = try CommandFailure.checkingInput { try OracleURL(pipelineOracle) }
    let membership = PipelineMembership(
      PipelineOracle(url: url, model: pipelineModel ?? name, key: key),
      interval: topologyInterval.duration
    ) { announce(.trouble($0)) }
    return PipelineMember(membership: membership, agent: key.address, announce: announce)
  }

  /// How an agent's HTTP API behaves.
  ///
  /// - Throws: `CommandFailure` (wrong input) for a secret that cannot be read or is empty.
  func api() throws -> AgentAPISettings {
    var settings = AgentAPISettings(usesLegacyStream: legacyStream)
    guard let apiSecretFile else { return settings }
    let bytes = try PrivateFile.read(apiSecretFile, as: "secret file")
    let text = bytes.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
    let line =
      text.split(whereSeparator: \.isNewline).first?.trimmingCharacters(in: .whitespaces) ?? ""
    guard !line.isEmpty else {
      throw CommandFailure.wrongInput("secret file \(apiSecretFile) has no first line")
    }
    settings.secret = line
    return settings
  }
}

/// A node's membership in the oracle's pipeline, with the events that the command prints of it.
struct PipelineMember: Sendable {
  let membership: PipelineMembership
  let agent: Address
  let announce: @Sendable (ServiceEvent) -> Void

  /// The layers of the model that the oracle gives the node.
  ///
  /// As for the network's agents, all of them when the oracle refuses or cannot be reached.
  /// - Throws: `CommandFailure` for layers that the model does not have; `CancellationError`.
  func join(
    grpcPort: Int, httpPort: Int, host: String, ramMegabytes: Int64, of checkpoint: Checkpoint
  ) async throws -> BlockRange {
    let count = checkpoint.configuration.blockCount
    let name = host.contains(":") ? "[\(host)]" : host
    let assignment: LayerAssignment
    do {
      assignment = try await membership.oracle.join(
        grpcEndpoint: "http://\(name):\(grpcPort)", httpEndpoint: "http://\(name):\(httpPort)",
        ramMegabytes: ramMegabytes)
    } catch let error as ReporterError {
      announce(.trouble("the pipeline was not joined, so all layers are served: \(error)"))
      return BlockRange(all: count)
    }
    let (first, end) = (assignment.layerStart, assignment.layerEnd)
    guard assignment.totalLayers == count, first < end,
      let blocks = try? BlockRange(first..<end, of: count)
    else {
      throw CommandFailure.failed(
        "the oracle gives layers \(first) to \(end - 1) of \(assignment.totalLayers), but "
          + "\(checkpoint.name) has \(count): name the layers with --blocks, or the model that the "
          + "oracle means with --pipeline-model")
    }
    announce(.assigned(blocks: "\(blocks)", of: count))
    return blocks
  }

  /// Marks the node as ready, and tells it of every topology until the task is cancelled.
  ///
  /// - Parameter topology: The one that was read before the node started.
  func follow(_ node: PetalsNode, from topology: [PipelineNode], isListed: Bool) async {
    if isListed {
      await attempt("the node was not marked as ready") {
        try await membership.begin(with: topology, node.follow)
      }
    } else {
      node.follow(topology)
    }
    var last: ServiceEvent?
    func receive(_ nodes: [PipelineNode]) {
      node.follow(nodes)
      let event = event(of: nodes, node)
      if event != last { announce(event) }
      last = event
    }
    // Others may have joined while the model was loaded.
    if let nodes = await read() { receive(nodes) }
    await membership.follow(receive)
  }

  /// The topology; nil, and an event, where it cannot be had.
  func read() async -> [PipelineNode]? {
    await attempt("the topology was not read") { try await membership.oracle.topology() }
  }

  private func attempt<Output>(
    _ what: String, _ work: () async throws -> Output
  ) async -> Output? {
    do {
      return try await work()
    } catch {
      if !Task.isCancelled { announce(.trouble("\(what): \(error)")) }
      return nil
    }
  }

  private func event(of nodes: [PipelineNode], _ node: PetalsNode) -> ServiceEvent {
    guard let own = nodes.first(where: { $0.nodeAddress.lowercased() == agent.lowercaseHex }) else {
      return .topology(nodes: nodes.count, order: nil, next: nil)
    }
    let blocks = node.configuration.blocks.indices
    if own.layerStart..<max(own.layerStart, own.layerEnd) != blocks {
      announce(
        .trouble(
          "the oracle now gives this node layers \(own.layerStart) to \(own.layerEnd - 1), and it "
            + "serves \(node.configuration.blocks): start it anew to take them"))
    }
    let next = nodes.first { $0.pipelineOrder == own.pipelineOrder + 1 }
    return .topology(nodes: nodes.count, order: own.pipelineOrder, next: next?.grpcEndpoint)
  }
}
