import AsyncPrimitives
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
      let limit = ReportDialect.documented.longestBody
      guard request.body.count <= limit else { throw .tooLarge(limit: limit) }
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
    var isRegistered = false
    do throws(RejectionReason) {
      let body = try DeployedBody(BodyParser.read(request))
      agent = body.agent
      let now = configuration.unixClock.seconds
      let key = mayUseKey ? request.apiKey : nil
      if let key {
        guard let expected = configuration.apiKey, key == expected else { throw .wrongAPIKey }
      } else {
        try checkWindow(body.timestamp, now: now)
        try verifyDeployedSignature(body.signature, of: body.signedText, by: body.wallet)
        try checkRate(of: body.agent)
      }
      try await checkRegistration(of: body.agent)
      isRegistered = true
      await forgetOlderCounters()
      // Nothing was accepted at zero or before, from anybody.
      let last = reportStore.read { $0.lastTimestamp(of: body.agent) } ?? 0
      guard body.timestamp > Double(last) else {
        throw .replay(timestamp: Int64(saturating: body.timestamp), last: last)
      }
      try body.checkTokens()
      let report = try body.report(
        epoch: try await currentEpoch(), receivedAt: now, isSigned: key == nil)
      if let field = body.fieldBeyondItsColumn {
        await reportStore.failToSave(report)
        throw .notWhole(field: field)
      }
      let accepted = try await reportStore.accept(report)
      registry.recordReport(by: body.agent, at: now)
      return Reply(
        response: DeployedDialect.recorded(isFirstInEpoch: accepted.isFirstInEpoch),
        outcome: .accepted(accepted.report), agent: agent)
    } catch {
      // What is found out behind the registration has made the agent a node.
      if isRegistered, let agent {
        registry.recordRegistered(agent, at: configuration.unixClock.seconds)
      }
      return Reply(
        response: DeployedDialect.answer(to: error), outcome: .refused(error), agent: agent)
    }
  }

  /// Forgets what the deployed oracle forgets when it starts: the counters and the last timestamps of
  /// all agents without a row in the epoch that it starts in.
  ///
  /// It asks for that epoch until the chain answers once.
  func forgetOlderCounters() async {
    guard mustForget.withLock({ $0 }) else { return }
    await forgetting.lock()
    defer { forgetting.unlock() }
    guard mustForget.withLock({ $0 }) else { return }
    do throws(RejectionReason) {
      reportStore.forgetCounters(exceptIn: try await currentEpoch())
      mustForget.withLock { $0 = false }
    } catch {
      configuration.logger.warning("the epoch is not known", metadata: ["reason": "\(error)"])
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
  /// The header `x-api-key`, which the deployed dialect accepts in place of a signature.
  ///
  /// Nil for an empty one. Several are one with commas, which is no key.
  fileprivate var apiKey: String? {
    let values = headers.filter { $0.name.canonicalName == "x-api-key" }.map(\.value)
    let value = values.joined(separator: ", ")
    return value.isEmpty ? nil : value
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

/// Checks that an account signed a text as the deployed oracle does: behind `0x` stand r, s and one or
/// two digits of v, s may be high, and an address that begins with `0X` is nobody's.
/// - Throws: ``RejectionReason/malformedSignature(_:)`` or ``RejectionReason/wrongSigner(recovered:claimed:)``.
func verifyDeployedSignature(
  _ signature: String, of text: SignedText, by address: String
) throws(RejectionReason) {
  guard address.hasPrefix("0x"), let agent = Address(validated: address) else {
    throw .malformedSignature("the address \(address) does not begin with 0x")
  }
  let recovered: Address
  do throws(SignatureError) {
    recovered = try text.signer(of: Signature(deployed: signature))
  } catch {
    throw .malformedSignature(error.description)
  }
  guard recovered == agent else { throw .wrongSigner(recovered: recovered, claimed: agent) }
}

extension Signature {
  /// Reads a signature as the deployed oracle does.
  fileprivate init(deployed text: String) throws(SignatureError) {
    var text = text
    // One digit of v is its value.
    if text.utf8.count == 131, let last = text.popLast() { text += "0" + String(last) }
    do {
      try self.init(hex: text)
    } catch .highS(let s) {
      // The same point is found from the negative of s with the other parity.
      guard let bytes = try? Hex.decode(text), let v = bytes.last,
        let r = try? Word(bigEndian: bytes[..<32])
      else { throw .highS(s) }
      try self.init(r: r, s: Signature.order - s, yParity: 1 - (v < 2 ? v : v - 27))
    }
  }
}

extension Address {
  /// Reads an address as the deployed oracle does: its prefix may be `0X`; nil for one that is none.
  init?(validated text: String) {
    // What fails to parse is no agent's address.
    try? self.init(text.hasPrefix("0X") ? "0x" + text.dropFirst(2) : text)
  }
}
