import EthereumPrimitives
import HTTPTypes
import MockServing
import PlumiseWire
import TextKeys

/// Why a read of the deployed dialect is answered with an error.
enum ReadError: Error {
  case badRequest(String)
  case notFound(String)
  case conflict(String)
  case pipeline(String)
  case rejected(RejectionReason)
  /// The handler fails in a way that it does not answer itself.
  case failed

  var response: WebResponse {
    switch self {
    case .badRequest(let text): DeployedDialect.error(.string(text), status: .badRequest)
    case .notFound(let text): DeployedDialect.error(.string(text), status: .notFound)
    case .conflict(let text): DeployedDialect.error(.string(text), status: .conflict)
    case .pipeline(let text): DeployedDialect.pipelineError(text)
    case .rejected(let reason): DeployedDialect.answer(to: reason)
    case .failed: DeployedDialect.bare("Internal server error", status: .internalServerError)
    }
  }
}

/// Handlers of the deployed dialect's reads, in the order of ``DeployedRoutes/table``.
extension MockOracle {
  func readSummary(_ routed: RoutedRequest) async throws(ReadError) -> JSON {
    guard let epoch = try await epoch(of: routed) else {
      return DeployedReads.summary([], epoch: 0)
    }
    return DeployedReads.summary(reportStore.read { $0.epochs.agents(in: epoch) }, epoch: epoch)
  }

  func readMetrics(_ routed: RoutedRequest) async throws(ReadError) -> JSON {
    let text = routed["address"]
    let epoch = try await epoch(of: routed)
    // What fails to parse is no agent's address, and nothing is known about it.
    let record = epoch.flatMap { epoch in
      Address(validated: text).flatMap { self.epoch(epoch, of: $0) }
    }
    return DeployedReads.metrics(record, of: text)
  }

  func readHistory(_ routed: RoutedRequest) throws(ReadError) -> JSON {
    let text = routed["address"]
    let limit = try routed.number("limit", error: "Invalid limit") ?? 50
    // What fails to parse is no agent's address, and nothing is known about it.
    let records = Address(validated: text).map { history(of: $0) } ?? []
    return DeployedReads.history(records, of: text, limit: Int(max(0, limit)))
  }

  func readProofs(_ routed: RoutedRequest) throws(ReadError) -> JSON {
    let agent = try routed.address()
    let message = "Invalid limit (1-1000)"
    let limit = try routed.number("limit", error: message) ?? 100
    guard (1...1000).contains(limit) else { throw .badRequest(message) }
    let mustBeVerified = routed.request.query["verified"] == "true"
    let proofs = reportStore.proofs(of: agent).filter { !mustBeVerified || $0.proof.isVerified }
    return DeployedReads.proofs(proofs, of: routed["address"], limit: Int(limit))
  }

  func readProofStatistics(_ routed: RoutedRequest) throws(ReadError) -> JSON {
    let agent = try routed.address()
    let epoch = try routed.epoch()
    return DeployedReads.proofStatistics(
      tally(of: agent, in: epoch), of: routed["address"], epoch: epoch)
  }

  func readThroughput(_ routed: RoutedRequest) throws(ReadError) -> JSON {
    let message = "Invalid limit (1-100)"
    let limit = try routed.number("limit", error: message) ?? 24
    guard (1...100).contains(limit) else { throw .badRequest(message) }
    return DeployedReads.throughput(reportStore.read { $0.epochs.latestEpochs(Int(limit)) })
  }

  func readCapacity(_ routed: RoutedRequest) async throws(ReadError) -> JSON {
    let epoch = try await epochForReads()
    let rows = reportStore.read { $0.epochs.agents(in: epoch) }
    let now = configuration.unixClock.seconds
    let (nodes, machines) = registry.read { ($0.nodes.nodes, $0.pipeline.machines(at: now)) }
    return DeployedReads.capacity(rows, in: epoch, nodes: nodes, machines: machines)
  }

  func readNodes(_ routed: RoutedRequest) -> JSON {
    DeployedReads.nodes(activeNodes.map { ($0, contributedScore(of: $0)) })
  }

  func readNode(_ routed: RoutedRequest) throws(ReadError) -> JSON {
    let now = configuration.unixClock.seconds
    guard let node = node(try routed.address()) else { throw .badRequest("Node not found") }
    let isActive = registry.read { $0.nodes.isActive(node, at: now) }
    return DeployedReads.node(node, score: contributedScore(of: node), isActive: isActive)
  }

  func readTopology(_ routed: RoutedRequest) throws(ReadError) -> JSON {
    guard let model = routed.request.query["model"], !model.isEmpty else {
      throw .pipeline("Model parameter is required")
    }
    let now = configuration.unixClock.seconds
    let (entries, layers, nodes) = registry.read {
      (
        $0.pipeline.entries(of: model, at: now), $0.pipeline.layers(of: model),
        $0.nodes.active(at: now)
      )
    }
    return DeployedReads.topology(entries, nodes, of: model, layers: layers)
  }

  /// The epoch that the query asks for; the current one where it names none, and nil where the chain
  /// cannot be asked for it.
  private func epoch(of routed: RoutedRequest) async throws(ReadError) -> UInt64? {
    if let epoch = try routed.epoch() { return UInt64(max(0, epoch)) }
    do throws(ReadError) { return try await epochForReads() } catch { return nil }
  }

  private func epochForReads() async throws(ReadError) -> UInt64 {
    do throws(RejectionReason) { return try await currentEpoch() } catch { throw .failed }
  }

  /// What an agent did, latest epoch first.
  private func history(of agent: Address) -> [EpochRecord] {
    reportStore.read { $0.epochs.history(of: agent) }
  }

  /// How many proofs an agent has shown, in an epoch or in all.
  private func tally(of agent: Address, in epoch: Int64?) -> ProofTally {
    guard let epoch else { return self.agent(agent)?.proofs ?? ProofTally() }
    // An epoch below zero is none.
    return UInt64(exactly: epoch).flatMap { self.epoch($0, of: agent)?.proofs } ?? ProofTally()
  }

  /// The score of the last contribution that was reported for a node; 0 before.
  private func contributedScore(of node: RegisteredNode) -> Double {
    if let score = chainTables({ $0.scores[node.address] }) { return score }
    guard contributor != nil else { return 0 }
    return reportStore.read { $0.epochs.lastSettled(of: node.address) }
      .map { AgentScore($0).live } ?? 0
  }
}

extension RoutedRequest {
  /// The account in the path.
  func address() throws(ReadError) -> Address {
    let text = self["address"]
    // An address without capitals carries no checksum.
    guard text.hasPrefix("0x"), let address = try? Address(text),
      text == address.lowercaseHex || text == address.checksummed
    else { throw .badRequest("Invalid address") }
    return address
  }

  fileprivate func epoch() throws(ReadError) -> Int64? {
    try number("epoch", error: "Invalid epoch number")
  }

  /// A parameter of the query as JavaScript's parseInt reads it: the digits in front count, also
  /// hexadecimal ones behind `0x`; an empty one is none.
  func number(_ name: String, error: String) throws(ReadError) -> Int64? {
    guard let text = request.query[name], !text.isEmpty else { return nil }
    guard let number = Self.leadingInteger(of: text) else { throw .badRequest(error) }
    return number
  }

  /// A text as JavaScript's parseInt reads it; nil for one that does not begin with a number.
  static func leadingInteger(of text: String) -> Int64? {
    // Scalar by scalar: a digit counts whatever mark stands on it.
    let trimmed = text.unicodeScalars.drop(while: \.properties.isWhitespace)
    let sign = trimmed.prefix { $0 == "-" || $0 == "+" }.prefix(1)
    var rest = trimmed.dropFirst(sign.count)
    let isHexadecimal = ["0x", "0X"].contains(String(rest.prefix(2)))
    if isHexadecimal { rest = rest.dropFirst(2) }
    let digits = rest.prefix { scalar in
      ("0"..."9").contains(scalar)
        || isHexadecimal && (("a"..."f").contains(scalar) || ("A"..."F").contains(scalar))
    }
    guard !digits.isEmpty else { return nil }
    return Int64(String(sign) + String(digits), radix: isHexadecimal ? 16 : 10)
      ?? (sign.first == "-" ? .min : .max)
  }
}
