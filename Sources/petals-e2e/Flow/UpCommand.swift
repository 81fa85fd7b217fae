import ArgumentParser
import EthereumPrimitives
import Foundation
import NetworkWatch
import OracleReporter
import PlumiseTesting
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

  @OptionGroup var faults: FaultOptions

  @OptionGroup var watching: WatchOptions

  @OptionGroup var output: OutputOptions

  func validate() throws { try agents.validate(nodes: network.nodes) }

  func run() async throws {
    let port = watching.port(beside: network.ports)
    try LocalPort.requireFree(
      network.ports.fixed(nodes: network.nodes, of: agents.kind) + [port].filter { $0 != 0 })
    let watcher = try watching.makeWatcher()
    let log = StepLog(
      style: output.style, quiet: output.quiet, onStep: { watcher.record($0) }
    ) { line in output.note(line) }
    let session = NetworkSession(
      options: network, form: agents.form, log: log, signals: ShutdownSignals(),
      quiet: output.quiet, servicesTakeFaults: true, watcher: watcher)
    let wasUp = Once()
    let outcome = await session.run(prepare: { _ in }) { network, processes, _ in
      try await NodeLinks.with(
        network.nodes, adminPort: faults.adminPort, seed: faults.faultSeed,
        observe: { watcher.events.record("links", .fault(FaultNews($0))) }
      ) { links in
        try await NetworkPage.serve(network, links, processes, watcher, port: port, output) {
          output.result(Self.json(network, links), text: Self.text(network, links))
          _ = wasUp.isFirst()
          try await network.agents?.freeReservation?.keep { output.note($0) }
          // Nothing more to do: the user's wish to stop, or a child's end, cancels this.
          for await _ in AsyncStream<Never>.makeStream().stream {}
          throw CancellationError()
        }
      }
    }
    // Being stopped is what `up` waits for; only before it was up is that a failure.
    if case .interrupted = outcome, !wasUp.isFirst() { return }
    if let failure = outcome.failure { throw failure }
  }

  private static func json(_ network: RunningNetwork, _ links: NodeLinks) -> JSON {
    var up: JSONObject = [
      "event": "up",
      "model": .string(network.modelPath),
      "chain": .string(network.chainURL),
      "oracle": .string(network.oracleURL),
      "nodes": .array(
        network.nodes.enumerated().map { index, node in
          var members: JSONObject = [
            "peer": .string(links.peers?[index] ?? node.peer), "blocks": .string("\(node.blocks)"),
            "agent": .string(node.agent.checksummed), "key": .string(node.key.exposedHex()),
            "pid": .integer(node.process.processID ?? 0),
          ]
          if let url = node.httpURL { members["http"] = .string(url) }
          return .object(members)
        }),
    ]
    if let url = links.administrationURL { up["admin"] = .string(url) }
    for (name, url) in network.administrations { up["\(name)_admin"] = .string(url) }
    for member in network.agents?.json.members ?? [] { up[member.key] = member.value }
    return .object(up)
  }

  private static func text(_ network: RunningNetwork, _ links: NodeLinks) -> String {
    let nodes = network.nodes.enumerated().map { index, node in
      "\(node.process.name)  grpc://\(links.peers?[index] ?? node.peer)  agent \(node.agent.checksummed)  "
        + "key \(node.key.exposedHex())"
    }
    let orders =
      (links.administrationURL.map { ["admin   \($0)"] } ?? [])
      + network.administrations.map { "admin   \($0.url) of the \($0.name)" }
    return """

      model   \(network.modelPath)
      chain   \(network.chainURL)
      oracle  \(network.oracleURL)
      \(orders.map { $0 + "\n" }.joined())\(network.agents?.text ?? "")\(nodes.joined(separator: "\n"))

      up: the page above shows what happens; Ctrl-C stops everything
      """
  }
}
