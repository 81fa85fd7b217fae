import HTTPTypes
import MockServing
import PlumiseWire

/// The routes of the deployed dialect (Wire.md, deployed dialect).
enum DeployedRoutes {
  static let table: [OracleRoute] = reports + chain + models

  private static let reports: [OracleRoute] = [
    accept(
      DeployedReport.path, "Takes a signed report.", .report, answer: recorded,
      errors: [forged, tooMany]
    ) { oracle, routed in await oracle.acceptDeployedReport(routed.request, mayUseKey: false) },
    accept(
      DeployedReport.keyedPath, "Takes a report with an API key or a signature.", .report,
      answer: recorded, parameters: [.header("x-api-key")], errors: [forged, tooMany]
    ) { oracle, routed in await oracle.acceptDeployedReport(routed.request, mayUseKey: true) },
    register(NodeRegistration.path, "Registers a node.", .node, errors: [forged]),
    register(
      PipelineRegistration.path, "Adds a node to a pipeline.", .pipelineNode,
      answer: .object([
        ("success", .flag), ("message", .text), ("layerStart", .integer), ("layerEnd", .integer),
        ("totalLayers", .integer),
      ])),
    register(
      PipelineReady.path, "Says that a node has loaded its blocks.", .pipelineReady),
    read(
      "/api/v1/metrics", "/summary", "The epoch in sum.", [.query("epoch", .integer)],
      .object([
        ("epoch", .integer), ("totalAgents", .integer), ("totalTokens", .text),
        ("avgLatency", .either(.text, .anyNumber)), ("totalRequests", .integer),
      ]), MockOracle.readSummary),
    read(
      "/api/v1/metrics", "/throughput", "The latest epochs in sum, oldest first.",
      [.query("limit", .integer)],
      .list(
        .object([
          ("epoch", .integer), ("totalTokens", .text), ("agentCount", .integer),
          ("totalRequests", .integer), ("avgLatency", .text), ("maxUptime", .integer),
          ("throughputTokPerSec", .text),
        ])), MockOracle.readThroughput),
    read(
      "/api/v1/metrics", "/capacity", "What each agent did in the epoch, and what it can do.", [],
      .list(
        .object([
          ("address", .address), ("epoch", .integer), ("tokensProcessed", .text),
          ("requestCount", .integer), ("uptimeSeconds", .integer), ("avgLatencyMs", .anyNumber),
          ("throughputTokPerSec", .text), ("benchmarkTokPerSec", .anyNumber), ("device", .text),
          ("ramMb", .either(.text, .integer)), ("vramMb", .either(.text, .integer)),
        ])), errors: [chainAway], MockOracle.readCapacity),
    read(
      "/api/v1/metrics", "/agents/{address}", "What an agent did in an epoch.",
      [.path("address"), .query("epoch", .integer)],
      .either(
        .object([("address", .text)] + epochMetrics),
        .object([("address", .text), ("metrics", .nullable(.text))])),
      MockOracle.readMetrics),
    read(
      "/api/v1/metrics", "/agents/{address}/history",
      "What an agent did, latest epoch first.", [.path("address"), .query("limit", .integer)],
      .object([("address", .text), ("count", .integer), ("metrics", .list(.object(epochMetrics)))]),
      MockOracle.readHistory),
    read(
      "/api/v1/proofs", "/{address}", "An agent's proofs, latest first.",
      [.path("address"), .query("limit", .integer), .query("verified", .flag)],
      .object([
        ("address", .text), ("count", .integer), ("proofs", .list(proof)),
      ]), MockOracle.readProofs),
    read(
      "/api/v1/proofs", "/{address}/stats", "How many proofs an agent has shown.",
      [.path("address"), .query("epoch", .integer)],
      .object([
        ("address", .text), ("totalProofs", .integer), ("verifiedProofs", .integer),
        ("pendingProofs", .integer), ("verifiedTokens", .text), ("verificationRate", .anyNumber),
      ]), MockOracle.readProofStatistics),
    read(
      "/api/nodes", "", "The nodes that were seen in the last ten minutes.", [],
      .object([("count", .integer), ("nodes", .list(.object(node)))]), errors: [],
      MockOracle.readNodes),
    read(
      "/api/nodes", "/{address}", "One node.", [.path("address")], .object(node),
      MockOracle.readNode),
    read(
      "/api/v1/pipeline/topology", nil, "The nodes of a model's pipeline.",
      [.query("model", .text, required: true)],
      .object([
        ("model", .text), ("count", .integer),
        ("nodes", .list(.object(topologyNode))),
      ]), MockOracle.readTopology),
  ]

  // MARK: - Entries

  /// A POST of a body that is validated, and kept when all its checks pass.
  static func accept(
    _ path: String, _ summary: String, _ body: ClassValidator, answer: Schema = done,
    parameters: [OracleRoute.Parameter] = [], errors: [OracleRoute.Answer],
    _ handler: @escaping OracleRoute.Handler
  ) -> OracleRoute {
    OracleRoute(
      .post, path, dialect: .deployed, summary: summary, parameters: parameters,
      body: body.schema,
      answers: [(201, "It was taken.", answer), badRequest, tooLong, badMedia] + errors,
      handler: handler)
  }

  /// A POST of one of the registry's messages.
  private static func register(
    _ path: String, _ summary: String, _ kind: StoredRegistration.Kind, answer: Schema = done,
    errors: [OracleRoute.Answer] = []
  ) -> OracleRoute {
    accept(path, summary, kind.validator, answer: answer, errors: errors) { oracle, routed in
      await oracle.acceptRegistration(routed.request, kind)
    }
  }

  /// A GET; the handler throws what is answered instead of 200.
  static func read(
    _ prefix: String, _ rest: String?, _ summary: String, _ parameters: [OracleRoute.Parameter],
    _ answer: Schema, errors: [OracleRoute.Answer] = [badRequest],
    _ handler: @escaping @Sendable (MockOracle) -> (RoutedRequest) async throws(ReadError) -> JSON
  ) -> OracleRoute {
    OracleRoute(
      .get, prefix, rest, dialect: .deployed, summary: summary, parameters: parameters,
      answers: [(200, "What is known.", answer)] + errors
    ) { oracle, routed in
      await reply { () async throws(ReadError) in
        .json(try await handler(oracle)(routed).serialized())
      }
    }
  }

  /// The answer of a handler, or the error that it throws.
  static func reply(
    _ handler: () async throws(ReadError) -> WebResponse
  ) async -> Reply {
    do throws(ReadError) {
      return Reply(response: try await handler(), outcome: .served)
    } catch {
      return Reply(response: error.response, outcome: .served)
    }
  }

  // MARK: - Answers

  static let error = Schema.object(
    [("message", .either(.text, .list(.text))), ("statusCode", .integer)],
    optional: [("error", .text)])

  static let done = Schema.object([("success", .flag), ("message", .text)])

  static let badRequest = (400, "Refused; the message says why.", error)
  static let tooLong = (413, "The body is too long.", error)
  private static let tooMany = (429, "Too many; Retry-After says when.", error)
  static let forged = (401, "Signature, time or key.", error)
  static let badMedia = (415, "A charset or an encoding that is not read.", error)
  static let chainAway = (500, "The chain cannot be asked.", error)

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

  private static let proof = Schema.object(
    [
      ("id", .integer), ("epoch", .integer), ("modelHash", .looseHash), ("inputHash", .looseHash),
      ("outputHash", .looseHash), ("tokenCount", .text), ("verified", .flag), ("createdAt", .text),
    ], optional: [("verificationTxHash", .hash), ("verifiedAt", .text)])

  private static let topologyNode: [(String, Schema)] = [
    ("nodeAddress", .address), ("modelName", .text), ("grpcEndpoint", .text),
    ("httpEndpoint", .text), ("layerStart", .integer), ("layerEnd", .integer),
    ("totalLayers", .integer), ("pipelineOrder", .integer), ("ready", .flag), ("device", .text),
    ("ramMb", .either(.text, .integer)), ("vramMb", .either(.text, .integer)),
    ("createdAt", .text), ("updatedAt", .text),
  ]
}
