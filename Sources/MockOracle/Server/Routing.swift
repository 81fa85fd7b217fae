import EthereumPrimitives
import HTTPTypes
import MockServing
import PlumiseWire
import TextKeys

extension MockOracle {
  /// Finds what a request asks for.
  ///
  /// HEAD is answered wherever GET is; the server leaves the body out. Where the deployed dialect is
  /// spoken, scripts of any origin are let in, as the deployed oracle lets them.
  func route(_ request: WebRequest) async -> Reply {
    guard speaks(.deployed) else { return await find(request) }
    if request.method == .options {
      return Reply(
        response: DeployedDialect.preflight(request), outcome: .served, dialect: .deployed)
    }
    var reply = await find(request)
    reply.response.headers[.accessControlAllowOrigin] = "*"
    return reply
  }

  private func find(_ asked: WebRequest) async -> Reply {
    var request = asked
    if asked.method == .head { request.method = .get }
    switch (request.method, request.path) {
    case (.get, "/health"):
      return .served(["status": "ok"])
    case (.get, "/ready"):
      return isServing
        ? .served(["status": "ready"])
        : .served(["status": "starting"], status: .serviceUnavailable)
    case (.get, "/openapi.json"):
      return Reply(response: .json(description), outcome: .served)
    case (.get, "/metrics"):
      return Reply(response: metrics, outcome: .served)
    default: break
    }
    if speaks(.documented), let reply = await routeDocumented(request) { return reply }
    if speaks(.deployed), let reply = await routeDeployed(request) { return reply }
    if speaks(.documented), let reply = wrongMethod(request) { return reply }
    return Reply(
      response: speaks(.documented)
        ? DocumentedDialect.notFound(asked) : DeployedDialect.notFound(asked),
      outcome: .unknownRoute)
  }

  /// A path that the documented dialect knows, asked for in a way that it does not.
  private func wrongMethod(_ request: WebRequest) -> Reply? {
    let known = routes.filter { $0.dialect != .deployed && $0.matches(request.path) }
    guard !known.isEmpty, !known.contains(where: { $0.method == request.method }) else {
      return nil
    }
    // HEAD is part of GET, and not named beside it.
    let allowed = known.map(\.method.rawValue).joined(separator: ", ")
    return Reply(
      response: DocumentedDialect.methodNotAllowed(request, allowed: allowed),
      outcome: .unknownRoute, dialect: .documented)
  }

  /// The counters for Prometheus.
  private var metrics: WebResponse {
    let text = meters.text(agents: reportStore.read { $0.agents.count }, journal: journal)
    return WebResponse(
      headers: [.contentType: "text/plain; version=0.0.4; charset=utf-8"], body: Array(text.utf8))
  }

  func speaks(_ dialect: ReportDialect) -> Bool {
    configuration.dialects.contains(dialect)
  }

  private func routeDocumented(_ request: WebRequest) async -> Reply? {
    if request.path == ReportDialect.documented.path, request.method == .post {
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
    case (.post, DeployedReport.keyedPath): return await takeDeployed(request, mayUseKey: true)
    case (.post, NodeRegistration.path): return await takeRegistration(request, .node)
    case (.post, PipelineRegistration.path): return await takeRegistration(request, .pipelineNode)
    case (.post, PipelineReady.path): return await takeRegistration(request, .pipelineReady)
    case (.get, _): return await readDeployed(request)
    default: return nil
    }
  }
}

extension WebRequest {
  /// The path's segments after a prefix, or `nil` when the path is somewhere else.
  func segments(after prefix: String) -> [String]? {
    guard path == prefix || path.starts(withExactly: prefix + "/") else { return nil }
    return path.utf8.dropFirst(prefix.utf8.count).split(separator: UInt8(ascii: "/"))
      .map { String(decoding: $0, as: UTF8.self) }
  }
}

/// An answer on its way out, with what the journal is to hold about it.
struct Reply {
  var response: WebResponse
  var outcome: OracleEntry.Outcome
  var agent: Address?
  var dialect: ReportDialect?
  var notes: [String] = []

  /// Why a report was not taken, when that is what the answer says.
  var refusal: RejectionReason? {
    if case .refused(let refusal) = outcome { refusal } else { nil }
  }

  /// An answer to a read.
  static func served(
    _ json: JSON, status: HTTPResponse.Status = .ok, dialect: ReportDialect? = nil
  ) -> Reply {
    Reply(
      response: .json(json.serialized(), status: status), outcome: .served, dialect: dialect)
  }
}
