import EthereumPrimitives
import HTTPTypes
import MockServing
import PlumiseWire

extension MockOracle {
  /// Finds what a request asks for.
  func route(_ request: WebRequest) async -> Reply {
    switch (request.method, request.path) {
    case (.get, "/health"):
      return .served(["status": "ok"])
    case (.get, "/ready"):
      return isServing
        ? .served(["status": "ready"])
        : .served(["status": "starting"], status: .serviceUnavailable)
    default: break
    }
    if speaks(.documented), let reply = await routeDocumented(request) { return reply }
    if speaks(.deployed), let reply = await routeDeployed(request) { return reply }
    return Reply(
      response: speaks(.documented)
        ? DocumentedDialect.notFound(request) : DeployedDialect.notFound(request),
      outcome: .unknownRoute)
  }

  private func speaks(_ dialect: ReportDialect) -> Bool {
    configuration.dialects.contains(dialect)
  }

  private func routeDocumented(_ request: WebRequest) async -> Reply? {
    if request.path == ReportDialect.documented.path {
      guard request.method == .post else {
        return Reply(
          response: DocumentedDialect.methodNotAllowed(request, allowed: "POST"),
          outcome: .unknownRoute, dialect: .documented)
      }
      return await takeDocumented(request)
    }
    guard request.method == .get, let rest = request.segments(after: "/api/v1/agents") else {
      return nil
    }
    guard let text = rest.first else { return .served(DocumentedReads.agents(agents)) }
    // What fails to parse is no agent's address, and nothing is known about it.
    guard let address = try? Address(text), let record = agent(address) else {
      return Reply(
        response: DocumentedDialect.error("no agent \(text)", status: .notFound),
        outcome: .served, dialect: .documented)
    }
    switch rest.dropFirst() {
    case []: return .served(DocumentedReads.agent(record))
    case ["reports"]: return .served(DocumentedReads.reports(reports(of: address), of: address))
    case ["proofs"]: return .served(DocumentedReads.proofs(proofs(of: address), of: address))
    default: return nil
    }
  }

  private func routeDeployed(_ request: WebRequest) async -> Reply? {
    switch (request.method, request.path) {
    case (.post, ReportDialect.deployed.path): return await takeDeployed(request, mayUseKey: false)
    case (.post, "/api/metrics"): return await takeDeployed(request, mayUseKey: true)
    case (.get, _):
      do throws(Refusal) {
        return try await readDeployed(request)
      } catch {
        return Reply(
          response: DeployedDialect.answer(to: error), outcome: .served, dialect: .deployed)
      }
    default: return nil
    }
  }

  private func readDeployed(_ request: WebRequest) async throws(Refusal) -> Reply? {
    if request.path == "/api/v1/metrics/summary" {
      let epoch = try await epoch(asked: request)
      return .served(
        DeployedReads.summary(books.read { $0.agents(in: epoch) }, epoch: epoch),
        dialect: .deployed)
    }
    if let rest = request.segments(after: "/api/v1/metrics/agents"), let text = rest.first {
      // What fails to parse is no agent's address, and nothing is known about it.
      let address = try? Address(text)
      switch rest.dropFirst() {
      case []:
        let epoch = try await epoch(asked: request)
        let record = address.flatMap { self.epoch(epoch, of: $0) }
        return .served(DeployedReads.metrics(record, of: text), dialect: .deployed)
      case ["history"]:
        let records = address.map { address in books.read { $0.history(of: address) } } ?? []
        let limit = request.query["limit"].flatMap(Int.init) ?? 50
        return .served(
          DeployedReads.history(records, limit: max(0, limit)), dialect: .deployed)
      default: return nil
      }
    }
    if let rest = request.segments(after: "/api/v1/proofs"), let text = rest.first {
      // What fails to parse is no agent's address, and nothing is known about it.
      let known = (try? Address(text)).map { proofs(of: $0) } ?? []
      switch rest.dropFirst() {
      case []: return .served(DeployedReads.proofs(known, of: text), dialect: .deployed)
      case ["stats"]:
        return .served(DeployedReads.proofStatistics(known, of: text), dialect: .deployed)
      default: return nil
      }
    }
    return nil
  }

  private func epoch(asked request: WebRequest) async throws(Refusal) -> UInt64 {
    if let epoch = request.query["epoch"].flatMap(UInt64.init) { return epoch }
    return try await currentEpoch()
  }
}

extension WebRequest {
  /// The path's segments after a prefix, or `nil` when the path is somewhere else.
  fileprivate func segments(after prefix: String) -> [String]? {
    guard path == prefix || path.hasPrefix(prefix + "/") else { return nil }
    return path.dropFirst(prefix.count).split(separator: "/").map(String.init)
  }
}
