public import EthereumClient
public import EthereumPrimitives
public import Logging
public import PlumiseWire

/// An agent's side of the chain: registers, beats, proves and claims, with one account.
///
/// Calls may overlap: their transactions get consecutive nonces, in the order of the calls, and
/// each call waits for its own receipt. Errors are ``ChainAgentError`` and `EthereumClientError`,
/// which tell an outage, a refusal, a revert and a time-out apart.
public actor ChainAgent {
  /// The agent's account.
  public nonisolated let address: Address
  /// How the agent speaks to its chain.
  public nonisolated let configuration: ChainAgentConfiguration
  /// The connection to the chain.
  public nonisolated let client: EthereumClient
  nonisolated let logger: Logger

  private let key: SecretKey
  private let queue = SendQueue()
  private var nonces = NonceTracker()
  private var isChainChecked = false
  private var registrations: [Address: SharedOperation<RegistrationOutcome>] = [:]

  /// Makes an agent; nothing is asked or sent yet.
  /// - Parameters:
  ///   - configuration: chain, fees, patience.
  ///   - key: the account's key.
  ///   - client: the connection to the chain.
  ///   - logger: silent by default.
  public init(
    _ configuration: ChainAgentConfiguration = ChainAgentConfiguration(), key: SecretKey,
    client: EthereumClient, logger: Logger? = nil
  ) {
    self.configuration = configuration
    self.key = key
    self.client =
      client.retries == .none ? client.retrying(configuration.retries) : client
    self.logger = logger ?? Logger(label: "chain-agent") { _ in SwiftLogNoOpLogHandler() }
    address = key.address
  }

  // MARK: - What agents do

  /// Registers through the precompile 0x21, unless the chain says that it is done already.
  ///
  /// A registration whose receipt was lost is found on the chain, not made again; so is one that
  /// another call of this agent is making.
  /// - Parameters:
  ///   - registration: name, model and capabilities; with a beneficiary that one is registered.
  public func register(_ registration: AgentRegistration) async throws -> RegistrationOutcome {
    let agent = registration.beneficiary ?? address
    let running =
      registrations[agent]
      ?? SharedOperation { [weak self] in
        guard let self else { throw CancellationError() }
        return try await self.registerOnce(registration, agent: agent)
      }
    registrations[agent] = running
    do {
      let outcome = try await running.value()
      if registrations[agent] === running { registrations[agent] = nil }
      return outcome
    } catch {
      // A caller that was cancelled leaves the registration to those who still wait for it.
      if await running.isIdle, registrations[agent] === running { registrations[agent] = nil }
      throw error
    }
  }

  /// Returns once so many callers wait for this agent's registration, or none is under way.
  package func waitForRegistrants(_ count: Int) async {
    await registrations[address]?.waitForCallers(count)
  }

  private func registerOnce(
    _ registration: AgentRegistration, agent: Address
  ) async throws -> RegistrationOutcome {
    if try await client.agentStatus(of: agent).isRegistered { return .alreadyRegistered }
    do {
      return .registered(try await send(.registration(registration)))
    } catch let error where leavesOutcomeOpen(error) {
      guard try await client.agentStatus(of: agent).isRegistered else { throw error }
      return .alreadyRegistered
    }
  }

  /// Says through the precompile 0x22 that the agent is alive.
  /// - Parameter agent: whom the heartbeat is for, when it is not this agent itself.
  @discardableResult
  public func heartbeat(for agent: Address? = nil) async throws -> Receipt {
    try await send(.heartbeat(agent: agent))
  }

  /// Proves an inference through the precompile 0x20.
  @discardableResult
  public func verifyInference(
    _ proof: InferenceProof, layout: ProofLayout = .modelFirst
  ) async throws -> Receipt {
    try await send(.verifyInference(proof, layout: layout))
  }

  /// Claims what the reward pool owes through the precompile 0x23; with nothing pending it
  /// succeeds and pays nothing.
  /// - Parameter agent: whom the claim is for, when it is not this agent itself.
  @discardableResult
  public func claimReward(for agent: Address? = nil) async throws -> Receipt {
    try await send(.claimReward(agent: agent))
  }

  /// Claims when at least so much is pending.
  /// - Parameter threshold: wei.
  /// - Returns: nil when less is pending, and nothing was sent.
  public func claimReward(above threshold: Word) async throws -> Receipt? {
    guard try await pendingReward() >= threshold else { return nil }
    return try await claimReward()
  }

  /// Wei that the reward pool owes the agent.
  public func pendingReward() async throws -> Word {
    let answer = try await client.call(
      to: PlumiseNetwork.Contract.rewardPool,
      data: ABI.call("getPendingReward(address)", [.address(address)]))
    guard answer.count == 32 else {
      throw EthereumClientError.malformedAnswer(
        method: "eth_call", reason: "getPendingReward gave \(answer.count) bytes, not 32")
    }
    return try Word(bigEndian: answer)
  }

  /// What the chain knows of the agent.
  public func status() async throws -> AgentStatusReport {
    try await client.agentStatus(of: address)
  }

  /// The agent's coins, in wei.
  public func balance() async throws -> Word { try await client.balance(of: address) }

  // MARK: - Sending

  /// Sends a call of a precompile, with the gas limit that the network's clients set, and waits
  /// for its receipt.
  public func send(_ call: PrecompileCall) async throws -> Receipt {
    try await send(to: call.contract.address, data: call.input, gasLimit: call.gasLimit)
  }

  /// Sends a transaction and waits for its receipt.
  /// - Throws: ``ChainAgentError/reverted(_:reason:)`` when its call did not go through.
  public func send(
    to recipient: Address, value: Word = .zero, data: [UInt8] = [], gasLimit: UInt64
  ) async throws -> Receipt {
    let draft = Draft(to: recipient, value: value, data: data, gasLimit: gasLimit)
    let pending = try await queue.run { try await self.submit(draft) }
    let receipt = try await receipt(of: pending)
    nonces.wasMined(pending.latest.transaction.nonce)
    guard receipt.succeeded else {
      let reason = try await client.revertReason(
        of: receipt, data: draft.data, value: draft.value, gasLimit: draft.gasLimit)
      throw ChainAgentError.reverted(receipt, reason: reason)
    }
    return receipt
  }

  private func receipt(of pending: PendingTransaction) async throws -> Receipt {
    do {
      return try await settle(pending)
    } catch let error as EthereumClientError {
      // The chain may have dropped it: then its nonce is the next one again, and only the chain
      // knows. Counting on would leave a gap that no later transaction gets past.
      nonces.forget()
      isChainChecked = false
      throw error
    }
  }

  /// Signs and sends one transaction; the queue lets in one at a time.
  ///
  /// A nonce that was counted may be taken, when somebody else sends with the same key: then the
  /// chain is asked again, once.
  private func submit(_ draft: Draft) async throws -> PendingTransaction {
    try await checkChain()
    let isCounted = nonces.known != nil
    do {
      return try await submitOnce(draft)
    } catch EthereumClientError.refused(_, let failure)
      where isCounted && failure.tellsOfTakenNonce
    {
      logger.notice("the nonce was taken", metadata: ["refusal": "\(failure.message)"])
      return try await submitOnce(draft)
    }
  }

  private func submitOnce(_ draft: Draft) async throws -> PendingTransaction {
    let (begun, settled) = (nonces.generation, nonces.settled)
    do {
      let terms = try await client.terms(configuration.fees, nonceOf: address)
      let nonce = nonces.choose(chainCount: terms.nonce, settledBefore: settled)
      if begun == nonces.generation { nonces.synchronise(with: nonce) }
      let transaction = sign(draft, nonce: nonce, fee: terms.fee)
      try await client.sendSurely(transaction)
      nonces.wasUsed(nonce, begun: begun)
      logger.debug("sent", metadata: ["nonce": "\(nonce)", "hash": "\(transaction.hash)"])
      return PendingTransaction(draft, transaction)
    } catch {
      // Whatever the reason, the chain knows best which nonce is next, and which chain it is.
      nonces.forget()
      isChainChecked = false
      throw error
    }
  }

  func sign(_ draft: Draft, nonce: UInt64, fee: Transaction.Fee) -> SignedTransaction {
    Transaction(
      chainID: configuration.chainID, nonce: nonce, fee: fee, gasLimit: draft.gasLimit,
      to: draft.to, value: draft.value, data: draft.data
    ).signed(with: key)
  }

  private func checkChain() async throws {
    guard !isChainChecked else { return }
    let actual = try await client.chainID()
    guard actual == configuration.chainID else {
      throw ChainAgentError.wrongChain(expected: configuration.chainID, actual: actual)
    }
    isChainChecked = true
  }
}

extension RPCFailure {
  /// Whether a chain says this when another transaction has the nonce.
  fileprivate var tellsOfTakenNonce: Bool {
    message.hasPrefix("nonce too low")
      || message.hasPrefix("replacement transaction underpriced")
  }
}

/// Whether an agent may be registered although its transaction failed: the answer was lost, or
/// somebody else was faster.
private func leavesOutcomeOpen(_ error: any Error) -> Bool {
  switch error {
  case EthereumClientError.outage, EthereumClientError.timedOut: true
  case ChainAgentError.reverted: true
  default: false
  }
}
