import EthereumPrimitives
import HTTPTypes
import Logging
import MockServing
import PlumiseWire
import Synchronization

/// Accepts or rejects reports, by the checks of each dialect in their order (Wire.md).
extension MockOracle {
  /// Accepts a documented report, or rejects it: 413, 400, 422, 401, 403 or 409, in this order.
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
      let accepted = try await reportStore.accept(report)
      return Reply(
        response: DocumentedDialect.received, outcome: .accepted(accepted.report), agent: agent,
        notes: body.notes)
    } catch {
      return Reply(
        response: DocumentedDialect.answer(to: error), outcome: .refused(error), agent: agent)
    }
  }

  /// Accepts a deployed report, or rejects it for its form, its key or its time window and
  /// signature, the registration, a replay or the token count, in this order.
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
      let accepted = try await reportStore.accept(report)
      registry.recordReport(by: body.agent, at: now)
      return Reply(
        response: DeployedDialect.recorded(isFirstInEpoch: accepted.isFirstInEpoch),
        outcome: .accepted(accepted.report), agent: agent)
    } catch {
      return Reply(
        response: DeployedDialect.answer(to: error), outcome: .refused(error), agent: agent)
    }
  }

  private func checkSize(of request: WebRequest, dialect: ReportDialect) throws(RejectionReason) {
    guard request.body.count <= dialect.longestBody else {
      throw .tooLarge(limit: dialect.longestBody)
    }
  }

  /// Counts a report against the agent's rate limit, once its signature is known to be the agent's.
  private func checkRate(of agent: Address) throws(RejectionReason) {
    guard let limiter, let seconds = limiter.consume(from: agent, at: configuration.unixClock.now())
    else {
      return
    }
    throw .tooManyReports(agent, retryAfter: seconds)
  }

  /// Refuses an agent that is not registered on chain.
  func checkRegistration(of agent: Address) async throws(RejectionReason) {
    let isRegistered: Bool
    do {
      isRegistered = try await configuration.registration.isRegistered(agent)
    } catch {
      throw .registrationUnknown(agent, reason: String(describing: error))
    }
    guard isRegistered else { throw .unregistered(agent) }
  }

  /// Asks for the current epoch, and remembers it.
  func currentEpoch() async throws(RejectionReason) -> UInt64 {
    do {
      let epoch = try await configuration.epoch.current()
      knownEpoch.withLock { $0 = epoch }
      return epoch
    } catch {
      throw .epochUnknown(reason: String(describing: error))
    }
  }

  /// The current epoch, or the last one that was known while the chain cannot be reached: a
  /// documented report is not refused for it, since its dialect has no epochs.
  private func lastKnownEpoch() async -> UInt64 {
    do throws(RejectionReason) {
      return try await currentEpoch()
    } catch {
      configuration.logger.warning("the epoch is not known", metadata: ["reason": "\(error)"])
      return knownEpoch.withLock { $0 }
    }
  }

  /// Refuses a timestamp that is too far from now, where the configuration sets a limit.
  private func checkAge(_ timestamp: Int64, now: Int64) throws(RejectionReason) {
    guard let limit = configuration.maximumAge else { return }
    // Both are above −2^63, and one of them is a time of day of this century.
    let distance = Duration.seconds(timestamp) - .seconds(now)
    guard distance <= limit && distance >= .zero - limit else {
      throw .outsideWindow(timestamp: String(timestamp), now: now, limit: limit)
    }
  }

  /// Refuses a timestamp outside the deployed dialect's window.
  func checkWindow(_ timestamp: Double, now: Int64) throws(RejectionReason) {
    guard (Double(now) - timestamp).magnitude <= Double(DeployedDialect.window) else {
      throw .outsideWindow(
        timestamp: JSONNumber(javaScript: timestamp).text, now: now,
        limit: .seconds(DeployedDialect.window))
    }
  }
}

extension WebRequest {
  /// The `x-api-key` header, which the deployed dialect accepts in place of a signature; nil for an
  /// empty one.
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
