import ArgumentParser
import Bloom
import ChainAgent
import EthereumPrimitives
import Foundation
import InferenceMetrics
import OracleReporter
import PetalsNode
import PlumiseWire

/// `node`: one node, with its agent if it is told of an oracle or a chain.
struct NodeCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "node",
    abstract: "Serve a range of a model's blocks; register, beat and report if told where.",
    discussion: """
      EXAMPLE
        petals-e2e node --model model --blocks 0-11 --port 31330 \\
          --key-file agent.key --oracle http://127.0.0.1:3100
      """)

  @Option(help: "The model's folder.")
  var model: String

  @Option(within: .blocks, help: "The blocks to serve, first-last.")
  var blocks: BlockRange

  @OptionGroup var peers: PeerOptions

  @Option(within: .port, help: "The gRPC port to listen on; 0 takes any free one.")
  var port = 31330

  @Option(within: .port, help: "Serve the HTTP API on this port too; 0 takes any free one.")
  var httpPort: Int?

  @OptionGroup var agent: AgentOptions
  @OptionGroup var service: ServiceOptions

  func run() async throws {
    let checkpoint = try ModelFolder.checkpoint(model)
    let range = try blocks.layers(of: checkpoint.configuration.layerCount)
    if httpPort != nil {
      try CommandFailure.checkingInput { try checkpoint.generationDefaults.requireSupported() }
    }
    let key = try agent.key()
    let configuration = NodeConfiguration(
      checkpoint: checkpoint, blocks: range, grpc: .init(host: service.host, port: port),
      http: httpPort.map { .init(host: service.host, port: $0) },
      peers: peers.addresses ?? [], agent: key?.address, limits: peers.limits)
    let metrics = MetricsCollector(proofs: try agent.proofs())
    let reporter = try key.flatMap { try agent.reporter(key: $0, metrics) }
    let stops = service.stopRequests()
    try await CommandFailure.serving {
      try await withPetalsNode(configuration, metrics: metrics) { node in
        announce(node)
        try await withThrowingTaskGroup { group in
          if let key,
            let life = agent.chainLife(
              key: key, checkpoint.name, metrics, announce: { service.announce($0) })
          {
            group.addTask { try await life.run() }
          }
          if let reporter {
            try await reporter.start()
            group.addTask { await follow(reporter) }
          }
          _ = try await stops.next()
          group.cancelAll()
        }
        if let reporter, let last = await reporter.stop() { announce(last) }
      }
    }
  }

  private func announce(_ node: PetalsNode) {
    if let address = node.address {
      service.announce(.listening(.node, url: "grpc://\(address)"))
    }
    if let address = node.httpAddress {
      service.announce(.listening(.nodeHTTP, url: "http://\(address)"))
    }
  }

  private func follow(_ reporter: OracleReporter) async {
    for await outcome in reporter.outcomes() where !outcome.isFinal { announce(outcome) }
  }

  private func announce(_ outcome: ReportOutcome) {
    if let failure = outcome.failure {
      service.announce(.trouble("report \(outcome.number) was not accepted: \(failure)"))
    } else {
      service.announce(.reported(tokens: outcome.processedTokens, isLast: outcome.isFinal))
    }
  }
}
