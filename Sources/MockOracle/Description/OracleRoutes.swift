import HTTPTypes
import MockServing
import PlumiseWire

/// Everything that the oracle answers.
enum OracleRoutes {
  static func all(of dialects: Set<ReportDialect>) -> [OracleRoute] {
    common + (dialects.contains(.documented) ? documented : [])
      + (dialects.contains(.deployed) ? deployed : [])
  }

  private static let status = Schema.object([("status", .text)])

  static let common: [OracleRoute] = [
    OracleRoute(
      method: .get, template: "/health", dialect: nil, summary: "Whether the process lives.",
      answers: [(200, "It does.", status)]),
    OracleRoute(
      method: .get, template: "/ready", dialect: nil, summary: "Whether it serves.",
      answers: [(200, "It does.", status), (503, "Not yet.", status)]),
    OracleRoute(
      method: .get, template: "/openapi.json", dialect: nil, summary: "This description.",
      answers: [(200, "OpenAPI 3.1.", .object([("openapi", .text)]))]),
    OracleRoute(
      method: .get, template: "/metrics", dialect: nil, summary: "Counters for Prometheus.",
      answerType: "text/plain", answers: [(200, "Text format 0.0.4.", .text)]),
  ]

  // MARK: - Documented

  private static let documentedError = Schema.object(
    [("status", .constant("error")), ("message", .text)])

  private static let agent = Schema.object([
    ("agent", .address), ("processed_tokens", .integer), ("avg_latency_ms", .anyNumber),
    ("uptime_seconds", .integer), ("tasks_completed", .integer), ("last_timestamp", .integer),
    ("reports", .integer), ("proofs", .integer),
  ])

  private static let storedReport = Schema.object([
    ("dialect", .text), ("processed_tokens", .integer), ("avg_latency_ms", .anyNumber),
    ("uptime_seconds", .integer), ("tasks_completed", .integer), ("timestamp", .integer),
    ("received_at", .integer), ("proofs", .integer),
  ])

  private static let storedProof = Schema.object([
    ("modelHash", .text), ("inputHash", .text), ("outputHash", .text), ("tokenCount", .integer),
  ])

  private static let unknownAgent = (404, "Nothing is known about this agent.", documentedError)

  static let documented: [OracleRoute] = [
    OracleRoute(
      method: .post, template: DocumentedReport.path, dialect: .documented,
      summary: "Takes a signed report.", body: DocumentedFields.bodySchema,
      answers: [
        (200, "It was taken.", .object([("status", .constant("success")), ("message", .text)])),
        (400, "The body is not JSON.", documentedError),
        (401, "The signature is not the agent's.", documentedError),
        (403, "The agent is not registered on chain.", documentedError),
        (409, "A replay, or too far from now.", documentedError),
        (413, "The body is too long.", documentedError),
        (
          422, "Fields are missing or wrong.",
          .object([
            ("status", .constant("error")), ("message", .text),
            ("detail", .list(.object([("path", .text), ("message", .text)]))),
          ])
        ),
        (429, "Too many; Retry-After says when.", documentedError),
        (500, "It could not be stored, and may come again.", documentedError),
        (503, "The chain cannot be asked whether the agent is registered.", documentedError),
      ]),
    OracleRoute(
      method: .get, template: "/api/v1/agents", dialect: .documented, summary: "Every agent.",
      answers: [(200, "By address.", .object([("agents", .list(agent)), ("count", .integer)]))]),
    OracleRoute(
      method: .get, template: "/api/v1/agents/{agent}", dialect: .documented,
      summary: "One agent.", parameters: [.path("agent")],
      answers: [(200, "What is known.", agent), unknownAgent]),
    OracleRoute(
      method: .get, template: "/api/v1/agents/{agent}/reports", dialect: .documented,
      summary: "An agent's latest reports.", parameters: [.path("agent")],
      answers: [
        (200, "Oldest first.", .object([("agent", .address), ("reports", .list(storedReport))])),
        unknownAgent,
      ]),
    OracleRoute(
      method: .get, template: "/api/v1/agents/{agent}/proofs", dialect: .documented,
      summary: "An agent's proofs.", parameters: [.path("agent")],
      answers: [
        (200, "Oldest first.", .object([("agent", .address), ("proofs", .list(storedProof))])),
        unknownAgent,
      ]),
  ]

  // MARK: - Deployed

  private static let deployedError = Schema.object(
    [("message", .either(.text, .list(.text))), ("statusCode", .integer)],
    optional: [("error", .text)])

  private static let done = Schema.object([("success", .flag), ("message", .text)])

  private static let badRequest = (400, "Refused; the message says why.", deployedError)
  private static let tooLong = (413, "The body is too long.", deployedError)
  private static let tooMany = (429, "Too many; Retry-After says when.", deployedError)
  private static let forged = (401, "Signature, time or key.", deployedError)
  private static let notStored = (500, "It could not be stored, and may come again.", deployedError)
  private static let chainAway = (503, "The chain cannot be asked.", deployedError)

  private static func taking(
    _ path: String, _ summary: String, _ form: DeployedForm, answer: Schema = done,
    parameters: [OracleRoute.Parameter] = [], _ more: [(Int, String, Schema)] = [chainAway]
  ) -> OracleRoute {
    OracleRoute(
      method: .post, template: path, dialect: .deployed, summary: summary, parameters: parameters,
      body: form.schema,
      answers: [(201, "It was taken.", answer), badRequest, tooLong, notStored] + more)
  }

  private static func reading(
    _ path: String, _ summary: String, _ parameters: [OracleRoute.Parameter], _ answer: Schema,
    _ more: [(Int, String, Schema)] = [badRequest]
  ) -> OracleRoute {
    OracleRoute(
      method: .get, template: path, dialect: .deployed, summary: summary, parameters: parameters,
      answers: [(200, "What is known.", answer)] + more)
  }

  private static let epochMetrics: [(String, Schema)] = [
    ("epoch", .integer), ("tokensProcessed", .text), ("avgLatencyMs", .anyNumber),
    ("requestCount", .integer), ("uptimeSeconds", .integer), ("lastUpdated", .text),
  ]

  private static let node: [(String, Schema)] = [
    ("address", .address), ("endpoint", .text), ("status", .text), ("score", .anyNumber),
    ("lastHeartbeat", .text), ("capabilities", .list(.text)),
  ]

  private static let recorded = Schema.object([
    ("success", .flag), ("message", .text), ("shouldReset", .flag),
  ])

  private static let agentMembers: [(String, Schema)] = [
    ("wallet", .address), ("tokensProcessed", .text), ("requestCount", .integer),
    ("uptimeSeconds", .integer), ("updatedAt", .text),
  ]

  static let deployed: [OracleRoute] = [
    taking(
      DeployedReport.path, "Takes a signed report.", .report, answer: recorded,
      [forged, tooMany, chainAway]),
    taking(
      DeployedReport.keyedPath, "Takes a report with an API key or a signature.", .report,
      answer: recorded, parameters: [.header("x-api-key")], [forged, tooMany, chainAway]),
    taking(NodeRegistration.path, "Registers a node.", .node, [forged, chainAway]),
    taking(
      PipelineRegistration.path, "Adds a node to a pipeline.", .pipelineNode,
      answer: .object([
        ("success", .flag), ("message", .text), ("layerStart", .integer), ("layerEnd", .integer),
        ("totalLayers", .integer),
      ])),
    taking(PipelineReady.path, "Says that a node has loaded its blocks.", .pipelineReady, []),
    reading(
      "/api/v1/metrics/summary", "The epoch in sum.", [.query("epoch", .integer)],
      .object([
        ("epoch", .integer), ("totalAgents", .integer), ("totalTokens", .text),
        ("avgLatency", .anyNumber), ("totalRequests", .integer),
      ]), [badRequest, chainAway]),
    reading(
      "/api/v1/metrics/agents/{address}", "What an agent did in an epoch.",
      [.path("address"), .query("epoch", .integer)],
      .either(
        .object([("address", .text)] + epochMetrics),
        .object([("address", .text), ("metrics", .nullable(.text))])), [badRequest, chainAway]),
    reading(
      "/api/v1/metrics/agents/{address}/history", "What an agent did, latest epoch first.",
      [.path("address"), .query("limit", .integer)],
      .object([("address", .text), ("count", .integer), ("metrics", .list(.object(epochMetrics)))]
      )),
    reading(
      "/api/v1/proofs/{address}", "An agent's proofs, latest first.",
      [.path("address"), .query("limit", .integer), .query("verified", .flag)],
      .object([("address", .text), ("count", .integer), ("proofs", .list(storedProof))])),
    reading(
      "/api/v1/proofs/{address}/stats", "How many proofs an agent has shown.",
      [.path("address"), .query("epoch", .integer)],
      .object([
        ("address", .text), ("totalProofs", .integer), ("verifiedProofs", .integer),
        ("pendingProofs", .integer), ("verifiedTokens", .text), ("verificationRate", .anyNumber),
      ])),
    reading(
      "/api/nodes", "The nodes that were seen in the last ten minutes.", [],
      .object([("count", .integer), ("nodes", .list(.object(node)))]), [chainAway]),
    reading(
      "/api/nodes/{address}", "One node.", [.path("address")], .object(node),
      [badRequest, chainAway]),
    reading(
      "/api/agents", "Every agent that reported.", [], .list(.object(agentMembers)), []),
    reading(
      "/api/agents/{address}", "One agent with its epochs.", [.path("address")],
      .object(agentMembers), [(404, "Nothing is known about this agent.", deployedError)]),
    reading(
      "/api/v1/pipeline/topology", "The nodes of a model's pipeline.",
      [.query("model", .text, required: true)],
      .object([
        ("model", .text), ("count", .integer),
        (
          "nodes",
          .list(
            .object([
              ("nodeAddress", .address), ("grpcEndpoint", .text), ("httpEndpoint", .text),
              ("layerStart", .integer), ("layerEnd", .integer), ("pipelineOrder", .integer),
              ("ready", .flag),
            ]))
        ),
      ])),
  ]
}

/// One way to ask the oracle something: what is described, counted and routed.
struct OracleRoute: Sendable {
  /// A parameter in the path, behind it, or among the header fields.
  struct Parameter: Sendable {
    enum Place: String, Sendable {
      case path
      case query
      case header
    }

    let name: String
    let place: Place
    let isRequired: Bool
    let schema: Schema
  }

  let method: HTTPRequest.Method
  /// The path, with `{names}` where a segment may be anything.
  let template: String
  /// The dialect that has it; nil for both.
  let dialect: ReportDialect?
  let summary: String
  var parameters: [Parameter] = []
  var body: Schema?
  /// What the answers' bodies are.
  var answerType = "application/json"
  /// The answers, by status.
  let answers: [(status: Int, description: String, schema: Schema)]

  /// Whether a path is one of the route's.
  func matches(_ path: String) -> Bool {
    let slash = UInt8(ascii: "/")
    let own = template.utf8.split(separator: slash, omittingEmptySubsequences: false)
    let asked = path.utf8.split(separator: slash, omittingEmptySubsequences: false)
    guard own.count == asked.count else { return false }
    return zip(own, asked).allSatisfy { mine, theirs in
      mine.first == UInt8(ascii: "{") ? !theirs.isEmpty : mine.elementsEqual(theirs)
    }
  }
}

extension OracleRoute.Parameter {
  static func path(_ name: String, _ schema: Schema = .text) -> Self {
    Self(name: name, place: .path, isRequired: true, schema: schema)
  }

  static func query(_ name: String, _ schema: Schema, required: Bool = false) -> Self {
    Self(name: name, place: .query, isRequired: required, schema: schema)
  }

  static func header(_ name: String) -> Self {
    Self(name: name, place: .header, isRequired: false, schema: .text)
  }
}
