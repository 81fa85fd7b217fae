import ArgumentParser
import Bloom

/// What `run` and `up` take: which network, on which ports.
struct NetworkOptions: ParsableArguments {
  @Option(help: "The model: a folder, tiny, or bloom-560m (made once and kept in the cache).")
  var model = SyntheticShape.bloom560m.rawValue

  // Each node has a block at least, and no BLOOM model has as many.
  @Option(
    within: WholeNumbers("a number of nodes", 1...256),
    help: "How many nodes share the model's blocks.")
  var nodes = 2

  @Option(help: "documented (chain 26902, oracle 3100, nodes from 31330) or auto for free ones.")
  var ports = PortChoice.documented

  @Option(within: .reportInterval, help: "Seconds between a node's reports to the oracle.")
  var reportInterval = Seconds(whole: 1)
}

extension PortChoice: ExpressibleByArgument {}
