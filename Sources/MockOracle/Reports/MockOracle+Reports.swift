public import EthereumClient
public import EthereumPrimitives
import Logging
import MockServing
import PlumiseWire
import Synchronization

/// Takes reports: the checks of each dialect in their order (Wire.md).
extension MockOracle {
  /// Documented: 413, 400, 422, 401, 403, 409.
  func acceptDocumentedReport(_ request: WebRequest) async -> Reply {
    var agent: Address?
    do throws(RejectionReason) {
      try checkSize(of: request, dialect: .documented)
      let body = try DocumentedBody(request.body)
      agent = body.agent
      try body.verify()
      try checkRate(of: body.agent)
      try await checkRegistration(of: body.agent)
      let now = configuration.unixClock.seconds
      try checkAge(body.timestamp, now: now)
      let report = StoredReport(
        dialect: .documented, agent: body.agent, epoch: await lastKnownEpoch(),
        processedTokens: body.processedTokens,
        averageLatencyMilliseconds: body.averageLatencyMilliseconds,
        uptimeSeconds: body.uptimeSeconds, tasksCompleted: body.tasksCompleted,
        timestamp: body.timestamp, receivedAt: now, signature: body.signature,
        proofs: body.proofs)
      let taken = try await reportStore.take(report)
      return Reply(
        response: DocumentedDialect.received, outcome: .accepted(taken.report), agent: agent,
        dialect: .documented, notes: body.notes)
    } catch {
      return Reply(
        response: DocumentedDialect.answer(to: error), outcome: .refused(error), agent: agent,
        dialect: .documented)
    }
  }

  /// Deployed: form, key or time window and signature, registration, replay, token count.
  func acceptDeployedReport(_ request: WebRequest, mayUseKey: Bool) async -> Reply {
    var agent: Address?
    do throws(RejectionReason) {
      try checkSize(of: request, dialect: .deployed)
      let body = try DeployedBody(request.body)
      agent = body.agent
      let now = configuration.unixClock.seconds
      let key = mayUseKey ? request.apiKey : nil
      if let key {
        guard let expected = configuration.apiKey, key == expected else { throw .wrongAPIKey }
      } else {
        try checkWindow(body.timestamp, now: now)
        try verifySignature(body.signature, of: body.signedText, by: body.agent)
        try checkRate(of: body.agent)
      }
      try await checkRegistration(of: body.agent)
      if let last = agent.flatMap({ self.agent($0)?.lastTimestamp }),
        body.timestamp <= Double(last)
      {
        throw .replay(timestamp: Int64(saturating: body.timestamp), last: last)
      }
      let report = try body.report(
        epoch: try await currentEpoch(), receivedAt: now, isSigned: key == nil)
      let taken = try await reportStore.take(report)
      registry.see(body.agent, at: now)
      return Reply(
        response: DeployedDialect.recorded(isFirstInEpoch: taken.isFirstInEpoch),
        outcome: .accepted(taken.report), agent: agent, dialect: .deployed)
    } catch {
      return Reply(
        response: DeployedDialect.answer(to: error), outcome: .refused(error), agent: agent,
        dialect: .deployed)
    }
  }

  private func checkSize(of request: WebRequest, dialect: ReportDialect) throws(RejectionReason) {
    guard request.body.count <= dialect.longestBody else {
      throw .tooLarge(limit: dialect.longestBody)
    }
  }

  /// Only who has signed takes from an agent's share.
  private func checkRate(of agent: Address) throws(RejectionReason) {
    guard let limiter, let seconds = limiter.take(agent, at: configuration.unixClock.now()) else {
      return
    }
    throw .tooManyReports(agent, retryAfter: seconds)
  }

  func checkRegistration(of agent: Address) async throws(RejectionReason) {
    let isRegistered: Bool
    do {
      isRegistered = try await configuration.registration.isRegistered(agent)
    } catch {
      throw .registrationUnknown(agent, reason: String(describing: error))
    }
    guard isRegistered else { throw .unregistered(agent) }
  }

  func currentEpoch() async throws(RejectionReason) -> UInt64 {
    do {
      let epoch = try await configuration.epoch.current()
      knownEpoch.withLock { $0 = epoch }
      return epoch
    } catch {
      throw .epochUnknown(reason: String(describing: error))
    }
  }

  /// The current epoch, or the last one that was known while the chain is away: a documented report
  /// is not refused for it, its dialect knows no epochs.
  private func lastKnownEpoch() async -> UInt64 {
    do throws(RejectionReason) {
      return try await currentEpoch()
    } catch {
      configuration.logger.warning("the epoch is not known", metadata: ["reason": "\(error)"])
      return knownEpoch.withLock { $0 }
    }
  }

  private func checkAge(_ timestamp: Int64, now: Int64) throws(RejectionReason) {
    guard let limit = configuration.maximumAge else { return }
    // Both are above −2^63, and one of them is a time of day of this century.
    let distance = Duration.seconds(timestamp) - .seconds(now)
    guard distance <= limit && distance >= .zero - limit else {
      throw .outsideWindow(timestamp: String(timestamp), now: now, limit: limit)
    }
  }

  func checkWindow(_ timestamp: Double, now: Int64) throws(RejectionReason) {
    guard (Double(now) - timestamp).magnitude <= Double(DeployedDialect.window) else {
      throw .outsideWindow(
        timestamp: JSONNumber(javaScript: timestamp).text, now: now,
        limit: .seconds(DeployedDialect.window))
    }
  }
}

extension DeployedBody {
  /// The report as it is accounted.
  /// - Throws: ``RejectionReason/tooManyTokens(_:)``, or ``RejectionReason/notWhole(field:)`` for a number that
  ///   passes validation and cannot be accounted.
  func report(
    epoch: UInt64, receivedAt: Int64, isSigned: Bool
  ) throws(RejectionReason) -> StoredReport {
    guard tokensProcessed <= DeployedDialect.mostTokens else {
      throw .tooManyTokens(tokensProcessed)
    }
    func whole(_ number: Double, _ field: String) throws(RejectionReason) -> Int64 {
      guard let integer = Int64(exactly: number) else { throw .notWhole(field: field) }
      return integer
    }
    var stored: [StoredProof] = []
    for (index, proof) in proofs.enumerated() {
      stored.append(
        StoredProof(
          modelHash: proof.hashes[0], inputHash: proof.hashes[1], outputHash: proof.hashes[2],
          tokenCount: try whole(proof.tokenCount, "proofs.\(index).tokenCount")))
    }
    return StoredReport(
      dialect: .deployed, agent: agent, epoch: epoch,
      processedTokens: try whole(tokensProcessed, "tokensProcessed"),
      averageLatencyMilliseconds: averageLatencyMilliseconds,
      uptimeSeconds: try whole(uptimeSeconds, "uptimeSeconds"),
      tasksCompleted: try whole(requestCount, "requestCount"),
      timestamp: try whole(timestamp, "timestamp"), receivedAt: receivedAt,
      signature: isSigned ? signature : nil, proofs: stored)
  }
}

extension WebRequest {
  /// The `x-api-key` header: what the deployed dialect takes in place of a signature; an empty one
  /// is none.
  fileprivate var apiKey: String? {
    let value = headers.first { $0.name.canonicalName == "x-api-key" }?.value
    return value?.isEmpty == true ? nil : value
  }
}

/// Checks that an agent signed a text with `personal_sign` (EIP-191, Wire.md, Keys and signatures).
/// - Throws: ``RejectionReason/malformedSignature(_:)`` or ``RejectionReason/wrongSigner(recovered:claimed:)``.
func verifySignature(
  _ signature: String, of text: SignedText, by agent: Address
) throws(RejectionReason) {
  let recovered: Address
  do {
    recovered = try text.signer(of: Signature(hex: signature))
  } catch {
    throw .malformedSignature(error.description)
  }
  guard recovered == agent else { throw .wrongSigner(recovered: recovered, claimed: agent) }
}

/// How the oracle learns whether an agent is registered on chain.
public struct RegistrationCheck: Sendable {
  private let ask: @Sendable (Address) async throws -> Bool

  /// Makes a check that is a function.
  /// - Parameter ask: whether an agent is registered; throws when that cannot be found out.
  public init(_ ask: @escaping @Sendable (Address) async throws -> Bool) {
    self.ask = ask
  }

  /// Every agent counts as registered: what an oracle does that was told of no chain.
  public static let everyone = RegistrationCheck { _ in true }

  /// Asks a chain: whoever it knows as registered counts, active or not.
  public static func chain(_ client: EthereumClient) -> RegistrationCheck {
    RegistrationCheck { try await client.agentStatus(of: $0).isRegistered }
  }

  /// Whether an agent is registered.
  /// - Throws: whatever the check throws when it cannot find out.
  public func isRegistered(_ agent: Address) async throws -> Bool { try await ask(agent) }
}
