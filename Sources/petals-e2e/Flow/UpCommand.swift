import ArgumentParser
import EthereumPrimitives
import Foundation
import OracleReporter
import PlumiseWire

/// `up`: the network of `run`, left running for other programs to use.
struct UpCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "up",
    abstract: "Start chain, oracle and nodes, print their URLs and keys, run until Ctrl-C.",
    discussion: """
      EXAMPLE
        petals-e2e up --model tiny --ports auto --json
        petals-e2e up --model tiny --network agents --leave-place 2
      """)

  @OptionGroup var network: NetworkOptions

  @OptionGroup var agents: AgentNetworkOptions

  @OptionGroup var flow: FlowOptions

  @OptionGroup var output: OutputOptions

  func validate() throws { try agents.validate(nodes: network.nodes) }

  func run() async throws {
    try LocalPort.requireFree(network.ports.fixed(nodes: network.nodes, of: agents.kind))
    let log = StepLog { line in output.note(line) }
    let session = NetworkSession(
      options: network, form: agents.form, log: log, signals: ShutdownSignals(),
      quiet: output.quiet)
    let wasUp = Once()
    let outcome = await session.run(prepare: { _ in }) { network, _ in
      output.result(Self.json(network), text: Self.text(network))
      _ = wasUp.isFirst()
      try await network.agents?.freeReservation?.keep { output.note($0) }
      // Nothing more to do: the user's wish to stop, or a child's end, cancels this.
      for await _ in AsyncStream<Never>.makeStream().stream {}
      throw CancellationError()
    }
    // Being stopped is what `up` waits for; only before it was up is that a failure.
    if case .interrupted = outcome, !wasUp.isFirst() { return }
    if let failure = outcome.failure { throw failure }
  }

  private static func json(_ network: RunningNetwork) -> JSON {
    var up: JSONObject = [
      "event": "up",
      "model": .string(network.modelPath),
      "chain": .string(network.chainURL),
      "oracle": .string(network.oracleURL),
      "nodes": .array(
        network.nodes.map { node in
          var members: JSONObject = [
            "peer": .string(node.peer), "blocks": .string("\(node.blocks)"),
            "agent": .string(node.agent.checksummed), "key": .string(node.key.exposedHex()),
            "pid": .integer(node.process.processID ?? 0),
          ]
          if let url = node.httpURL { members["http"] = .string(url) }
          return .object(members)
        }),
    ]
    for member in network.agents?.json.members ?? [] { up[member.key] = member.value }
    return .object(up)
  }

  private static func text(_ network: RunningNetwork) -> String {
    let nodes = network.nodes.map { node in
      "\(node.process.name)  grpc://\(node.peer)  agent \(node.agent.checksummed)  "
        + "key \(node.key.exposedHex())"
    }
    return """

      model   \(network.modelPath)
      chain   \(network.chainURL)
      oracle  \(network.oracleURL)
      \(network.agents?.text ?? "")\(nodes.joined(separator: "\n"))

      up; Ctrl-C stops everything
      """
  }
}
