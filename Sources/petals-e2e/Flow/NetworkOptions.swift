import ArgumentParser
import Bloom

/// What `run` and `up` take: which network, on which ports.
struct NetworkOptions: ParsableArguments {
  @Option(help: "The model: a folder, tiny, or bloom-560m (made once and kept in the cache).")
  var model = SyntheticShape.bloom560m.rawValue

  @Option(help: "How many nodes share the model's blocks.")
  var nodes = 2

  @Option(help: "documented (chain 26902, oracle 3100, nodes from 31330) or auto for free ones.")
  var ports = PortChoice.documented

  @Option(
    help: "Seconds between a node's reports to the oracle (1 when not said).",
    transform: secondsArgument)
  var reportInterval = 1.0

  /// No BLOOM model has as many blocks.
  private static let mostNodes = 256

  func validate() throws {
    guard (1...Self.mostNodes).contains(nodes) else {
      throw ValidationError(
        "--nodes must be from 1 to the model's blocks (24 of bloom-560m), not \(nodes)")
    }
    try requireReportInterval(reportInterval)
  }
}

extension PortChoice: ExpressibleByArgument {}
