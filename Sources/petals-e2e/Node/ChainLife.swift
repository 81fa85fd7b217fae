import ChainAgent
import EthereumPrimitives
import InferenceMetrics
import PlumiseWire

/// A node's life on the chain: it registers, then beats, and proves what it computed.
struct ChainLife: Sendable {
  /// An agent counts as active for 300 s after a heartbeat: one may be lost.
  private static let heartbeatInterval = Duration.seconds(120)
  /// The pause after a failure; the chain may come back.
  private static let patience = Duration.seconds(5)

  private let agent: ChainAgent
  private let registration: AgentRegistration
  private let proofs: AsyncStream<InferenceProof>
  private let clock: any Clock<Duration>

  /// - Parameter proofs: where the proofs come from; none is missed from here on.
  init(
    agent: ChainAgent, registration: AgentRegistration, proofs: ProofBuffer,
    clock: any Clock<Duration> = ContinuousClock()
  ) {
    self.agent = agent
    self.registration = registration
    self.proofs = proofs.arrivals()
    self.clock = clock
  }

  /// Lives until the task is cancelled.
  ///
  /// A failure is told, and tried again: the node goes on serving while its chain is away.
  func run(announce: @escaping @Sendable (ServiceEvent) -> Void) async throws {
    let address = agent.address.checksummed
    try await untilDone(announce) {
      switch try await agent.register(registration) {
      case .registered(let receipt):
        announce(.registered(agent: address, transaction: receipt.transactionHash.hex))
      case .alreadyRegistered:
        announce(.registered(agent: address, transaction: nil))
      }
    }
    try await withThrowingTaskGroup { group in
      group.addTask { try await beat(announce) }
      group.addTask { try await prove(announce) }
      try await group.waitForAll()
    }
  }

  private func beat(_ announce: @escaping @Sendable (ServiceEvent) -> Void) async throws {
    while true {
      try await untilDone(announce) {
        let receipt = try await agent.heartbeat()
        announce(.heartbeat(transaction: receipt.transactionHash.hex))
      }
      try await clock.sleep(for: Self.heartbeatInterval)
    }
  }

  private func prove(_ announce: @escaping @Sendable (ServiceEvent) -> Void) async throws {
    for await proof in proofs {
      do {
        let receipt = try await agent.verifyInference(proof)
        announce(
          .verified(
            proof: proof.proofHash.hex, tokens: proof.tokenCount,
            transaction: receipt.transactionHash.hex))
      } catch let error where !(error is CancellationError) {
        // The oracle gets the proof all the same, with the next report.
        announce(.trouble("proof \(proof.proofHash.hex) was not verified: \(error)"))
      }
    }
  }

  private func untilDone(
    _ announce: @Sendable (ServiceEvent) -> Void, _ work: @Sendable () async throws -> Void
  ) async throws {
    while true {
      do {
        return try await work()
      } catch let error where !(error is CancellationError) {
        announce(.trouble("\(error)"))
        try await clock.sleep(for: Self.patience)
      }
    }
  }
}

extension AgentRegistration {
  /// How a node registers.
  static func ofNode(serving model: String, as agent: Address) -> AgentRegistration {
    AgentRegistration(
      name: defaultName(model: model, agent: agent), modelHash: Keccak256.hash(model))
  }
}
