import AsyncPrimitives
public import EthereumClient
public import EthereumPrimitives
public import Logging
public import PlumiseWire

/// A Plumise agent's account: registers, sends heartbeats and proofs, and claims rewards.
///
/// Calls may overlap: their transactions get consecutive nonces, in the order of the calls, and
/// each call waits for its own receipt. Errors are `ChainError`, whose code tells an outage, a refusal,
/// a revert and a time-out apart.
public actor ChainAgent {
  /// The agent's account.
  public nonisolated let address: Address
  /// The chain, the fees and the time-outs.
  public nonisolated let configuration: ChainAgentConfiguration
  /// The connection to the chain.
  public nonisolated let client: EthereumClient
  nonisolated let logger: Logger

  private let key: SecretKey
  private let queue = AsyncLock()
  private var nonces = NonceTracker()
  private var isChainChecked = false
  private var registrations: [Address: SharedOperation<RegistrationOutcome>] = [:]

  /// Creates an agent, without any request to the chain yet.
  /// - Parameters:
  ///   - configuration: chain, fees, time-outs.
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

  // MARK: - Operations of an agent

  /// Registers through the precompile 0x21, unless the agent is registered already.
  ///
  /// A registration whose receipt was lost is found on the chain and not repeated. Concurrent calls
  /// share one registration.
  /// - Parameters:
  ///   - registration: name, model and capabilities, and optionally a beneficiary that is registered
  ///     instead.
  public func register(_ registration: AgentRegistration) async throws -> RegistrationOutcome {
    let agent = registration.beneficiary ?? address
    let running =
      registrations[agent]
      ?? SharedOperation(on: client.monitor) { [weak self] in
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
  package func waitForRegistrationCallers(_ count: Int) async {
    await registrations[address]?.waitForCallers(count)
  }

  private func registerOnce(
    _ registration: AgentRegistration, agent: Address
  ) async throws -> RegistrationOutcome {
    if try await client.agentStatus(of: agent).isRegistered { return .alreadyRegistered }
    do {
      return .registered(try await send(.registration(registration)))
    } catch let error where outcomeIsUnknown(error) {
      guard try await client.agentStatus(of: agent).isRegistered else { throw error }
      return .alreadyRegistered
    }
  }

  /// Sends a heartbeat through the precompile 0x22.
  /// - Parameter agent: the agent that the heartbeat is for; nil for this one.
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

  /// Claims the pending reward through the precompile 0x23; with nothing pending it succeeds and
  /// pays nothing.
  /// - Parameter agent: the agent that the claim is for; nil for this one.
  @discardableResult
  public func claimReward(for agent: Address? = nil) async throws -> Receipt {
    try await send(.claimReward(agent: agent))
  }

  /// Claims the pending reward if it is large enough.
  /// - Parameter threshold: the smallest reward to claim, in wei.
  /// - Returns: nil when less is pending, and nothing was sent.
  public func claimReward(above threshold: Word) async throws -> Receipt? {
    guard try await pendingReward() >= threshold else { return nil }
    return try await claimReward()
  }

  /// The agent's pending reward, in wei.
  public func pendingReward() async throws -> Word {
    let answer = try await client.call(
      to: PlumiseNetwork.Contract.rewardPool,
      data: ABI.call("getPendingReward(address)", [.address(address)]))
    guard answer.count == 32 else {
      throw ChainError.malformedAnswer(
        method: "eth_call", reason: "getPendingReward gave \(answer.count) bytes, not 32")
    }
    return try Word(bigEndian: answer)
  }

  /// The agent's registration on the chain.
  public func status() async throws -> AgentStatusReport {
    try await client.agentStatus(of: address)
  }

  /// The agent's balance, in wei.
  public func balance() async throws -> Word { try await client.balance(of: address) }

  // MARK: - Sending

  /// Sends a call of a precompile, with the gas limit that the network's clients set, and waits
  /// for its receipt.
  public func send(_ call: PrecompileCall) async throws -> Receipt {
    try await send(to: call.contract.address, data: call.input, gasLimit: call.gasLimit)
  }

  /// Sends a transaction and waits for its receipt.
  /// - Throws: a `ChainError` of code `reverted`, with the receipt, when its call did not go through.
  public func send(
    to recipient: Address, value: Word = .zero, data: [UInt8] = [], gasLimit: UInt64
  ) async throws -> Receipt {
    let request = TransactionRequest(to: recipient, value: value, data: data, gasLimit: gasLimit)
    return try await withTaskExecutorPreference(client.monitor) {
      try await sendAndConfirm(request)
    }
  }

  private func sendAndConfirm(_ request: TransactionRequest) async throws -> Receipt {
    let pending = try await queue.withLock { try await self.submit(request) }
    let receipt = try await receipt(of: pending)
    nonces.wasMined(pending.latest.transaction.nonce)
    guard receipt.succeeded else {
      let reason = try await client.revertReason(
        of: receipt, data: request.data, value: request.value, gasLimit: request.gasLimit)
      throw ChainError.reverted(receipt, reason: reason)
    }
    return receipt
  }

  private func receipt(of pending: PendingTransaction) async throws -> Receipt {
    do {
      return try await confirm(pending)
    } catch let error as ChainError {
      // The chain may have dropped it: then its nonce is the next one again, and only the chain
      // knows. Counting on would leave a gap that no later transaction gets past.
      nonces.forget()
      isChainChecked = false
      throw error
    }
  }

  /// Signs and sends one transaction; the lock admits one at a time.
  ///
  /// A counted nonce may be in use when another program sends with the same key: then it is read
  /// from the chain and the transaction sent again, once.
  private func submit(_ request: TransactionRequest) async throws -> PendingTransaction {
    try await checkChain()
    let isCounted = nonces.known != nil
    do {
      return try await submitOnce(request)
    } catch let error as ChainError where isCounted && error.failure?.isNonceConflict == true {
      logger.notice("the nonce was taken", metadata: ["refusal": "\(error.failure?.message ?? "")"])
      return try await submitOnce(request)
    }
  }

  private func submitOnce(_ request: TransactionRequest) async throws -> PendingTransaction {
    let (begun, minedCount) = (nonces.generation, nonces.minedCount)
    do {
      let parameters = try await client.parameters(configuration.fees, nonceOf: address)
      let nonce = nonces.choose(chainCount: parameters.nonce, minedBefore: minedCount)
      if begun == nonces.generation { nonces.synchronise(with: nonce) }
      let transaction = sign(request, nonce: nonce, fee: parameters.fee)
      try await client.sendEnsuringArrival(transaction)
      nonces.wasUsed(nonce, begun: begun)
      logger.debug("sent", metadata: ["nonce": "\(nonce)", "hash": "\(transaction.hash)"])
      return PendingTransaction(request, transaction)
    } catch {
      // Whatever the reason, the chain knows best which nonce is next, and which chain it is.
      nonces.forget()
      isChainChecked = false
      throw error
    }
  }

  func sign(_ request: TransactionRequest, nonce: UInt64, fee: Transaction.Fee) -> SignedTransaction
  {
    Transaction(
      chainID: configuration.chainID, nonce: nonce, fee: fee, gasLimit: request.gasLimit,
      to: request.to, value: request.value, data: request.data
    ).signed(with: key)
  }

  private func checkChain() async throws {
    guard !isChainChecked else { return }
    let actual = try await client.chainID()
    guard actual == configuration.chainID else {
      throw ChainError.wrongChain(expected: configuration.chainID, actual: actual)
    }
    isChainChecked = true
  }
}

extension RPCFailure {
  /// Whether a chain says this when another transaction has the nonce.
  fileprivate var isNonceConflict: Bool {
    message.hasPrefix("nonce too low")
      || message.hasPrefix("replacement transaction underpriced")
  }
}

/// Whether an agent may be registered although its transaction failed: the answer was lost, or
/// another transaction registered it first.
private func outcomeIsUnknown(_ error: any Error) -> Bool {
  guard let error = error as? ChainError else { return false }
  return error.isOutage || error.code == .timedOut || error.receipt != nil
}

/// The result of a registration.
public enum RegistrationOutcome: Hashable, Sendable {
  /// The transaction is in a block.
  case registered(Receipt)
  /// The agent was registered before; nothing was sent, or an earlier transaction had arrived.
  case alreadyRegistered
}
