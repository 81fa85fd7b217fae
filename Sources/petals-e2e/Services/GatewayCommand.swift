public import ArgumentParser
import Foundation
public import MockGateway
import MockOracle
import MockServing

/// `gateway`: a gateway between clients and the nodes that an oracle lists.
struct GatewayCommand: AsyncParsableCommand {
  /// Whether nodes on loopback addresses may be asked.
  enum Loopback: String, EnumerableFlag {
    case allowLoopback
    case refuseLoopback

    static func help(for value: Self) -> ArgumentHelp? {
      switch value {
      case .allowLoopback: "Use nodes on loopback addresses."
      case .refuseLoopback: "Refuse nodes on loopback addresses, as the real gateway does."
      }
    }
  }

  static let configuration = CommandConfiguration(
    commandName: "gateway",
    abstract: "Serve chats through the nodes that an oracle lists.",
    discussion: """
      EXAMPLE
        petals-e2e gateway --oracle http://127.0.0.1:15481 \\
          --model bloom-560m --allow-loopback
      """)

  @Option(within: .serviceURL, help: "The oracle that lists the nodes.")
  var oracle: String

  @Option(within: .port, help: "The port to listen on; 0 takes any free one.")
  var port = 3200

  @Option(
    name: [.customLong("models"), .customLong("model")],
    help: "The models that may be asked for, with commas; the first one's topology is asked for.")
  var models = GatewayConfiguration.plumiseModels.joined(separator: ",")

  @Option(help: "The key that posts to /api/metrics; without one nothing is posted.")
  var apiKey: String?

  @Option(help: "fixed, or faithful to the real gateway's known faults.")
  var profile = GatewayProfile.fixed

  @Flag(exclusivity: .exclusive) var loopback = Loopback.refuseLoopback

  @Option(within: .seed, help: "What decides which of several nodes is asked.")
  var seed: UInt64?

  @Option(help: "Log to stderr from this level on: debug, info, notice, warning or error.")
  var log: LogLevelArgument?

  @OptionGroup var faults: FaultOptions
  @OptionGroup var service: ServiceOptions

  private var modelNames: [String] {
    models.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }
      .filter { !$0.isEmpty }
  }

  func validate() throws {
    guard modelNames.isEmpty else { return }
    throw ValidationError("--models names no model: write for example --models bloom-560m")
  }

  func run() async throws {
    let gateway = MockGateway(
      GatewayConfiguration(
        oracleURL: oracle, apiKey: apiKey, models: modelNames, profile: profile,
        allowsLoopback: loopback == .allowLoopback, seed: seed ?? .random(in: .min ... .max),
        journalCapacity: ServiceMemory.unreadJournal,
        logger: log.map { JSONLogHandler.logger("gateway", from: $0.level) }))
    let signals = service.shutdownSignals()
    let observation = service.observation()
    try await CommandFailure.mappingServingErrors {
      let script = FaultScript(seed: faults.faultSeed)
      try await gateway.withServer(host: service.host, port: port, faults: script) { address in
        service.announce(.listening(.gateway, url: address.url))
        let refused = gateway.refusedURLs
        if !refused.isEmpty {
          service.announce(
            .trouble(
              "refused nodes on loopback addresses: \(refused.joined(separator: ", ")); "
                + "--allow-loopback uses them"))
        }
        try await faults.withAdministration(
          FaultAdministration(of: script) { try FaultOrder(json: $0).rule }
            .observed { observation.record($0) }, of: .gateway,
          as: .gatewayAdministration, service
        ) { _ = try await signals.next() }
      }
    }
    await observation.finish()
  }
}

extension GatewayProfile: ExpressibleByArgument {}
