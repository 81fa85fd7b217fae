import Foundation

extension FlowReport {
  /// Takes down what a network consists of.
  mutating func describe(_ network: RunningNetwork) {
    let checkpoint = network.checkpoint
    model = Model(
      name: checkpoint.name, directory: network.modelPath, fingerprint: checkpoint.fingerprint,
      blocks: checkpoint.configuration.layerCount,
      parameters: checkpoint.configuration.parameterCount,
      elementType: checkpoint.elementType.rawValue)
    let urls = [network.chainURL, network.oracleURL] + network.nodes.map { "grpc://\($0.peer)" }
    services = zip(network.processes, urls).map { process, url in
      Service(name: process.name, url: url, processID: process.processID ?? 0)
    }
    agents = network.nodes.map { Agent(address: $0.agent.checksummed, blocks: "\($0.blocks)") }
  }

  /// - Parameter proofs: verified ones of each agent, in the agents' order.
  mutating func record(proofs: [Int]) {
    for (index, count) in zip(agents.indices, proofs) { agents[index].proofsVerified = count }
  }

  /// - Parameter stored: tokens for each agent, in the agents' order.
  mutating func record(stored: [Int64]) {
    for (index, tokens) in zip(agents.indices, stored) { agents[index].tokensStored = tokens }
  }
}

extension FlowReport.Generation {
  init(_ generated: GeneratedText, prompt: String) {
    self.init(
      prompt: prompt, promptIDs: generated.promptIDs, generatedIDs: generated.generatedIDs,
      text: generated.text, timeToFirstToken: generated.timeToFirstToken,
      tokensPerSecond: generated.tokensPerSecond)
  }
}
