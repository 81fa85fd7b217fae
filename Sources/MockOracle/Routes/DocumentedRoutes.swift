import EthereumPrimitives
import HTTPTypes
import MockServing
import PlumiseWire

/// The routes of the documented dialect: its report, and reads of our own, as the document names
/// none.
enum DocumentedRoutes {
  private static let error = Schema.object(
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

  static let storedProof = Schema.object([
    ("modelHash", .text), ("inputHash", .text), ("outputHash", .text), ("tokenCount", .integer),
  ])

  private static let unknownAgent = (404, "Nothing is known about this agent.", error)

  static let table: [OracleRoute] = [
    OracleRoute(
      .post, DocumentedReport.path, dialect: .documented, summary: "Takes a signed report.",
      body: DocumentedFields.bodySchema,
      answers: [
        (200, "It was taken.", .object([("status", .constant("success")), ("message", .text)])),
        (400, "The body is not JSON.", error),
        (401, "The signature is not the agent's.", error),
        (403, "The agent is not registered on chain.", error),
        (409, "A replay, or too far from now.", error),
        (413, "The body is too long.", error),
        (
          422, "Fields are missing or wrong.",
          .object([
            ("status", .constant("error")), ("message", .text),
            ("detail", .list(.object([("path", .text), ("message", .text)]))),
          ])
        ),
        (429, "Too many; Retry-After says when.", error),
        (500, "It could not be stored, and may come again.", error),
        (503, "The chain cannot be asked whether the agent is registered.", error),
      ]
    ) { oracle, routed in await oracle.acceptDocumentedReport(routed.request) },
    OracleRoute(
      .get, "/api/v1/agents", "", dialect: .documented, summary: "Every agent.",
      answers: [(200, "By address.", .object([("agents", .list(agent)), ("count", .integer)]))]
    ) { oracle, _ in .served(DocumentedReads.agents(oracle.agents)) },
    readAgent(summary: "One agent.", (200, "What is known.", agent)) { _, record in
      DocumentedReads.agent(record)
    },
    readAgent(
      "/reports", summary: "An agent's latest reports.",
      (200, "Oldest first.", .object([("agent", .address), ("reports", .list(storedReport))]))
    ) { oracle, record in
      DocumentedReads.reports(oracle.reports(of: record.address), of: record.address)
    },
    readAgent(
      "/proofs", summary: "An agent's proofs.",
      (200, "Oldest first.", .object([("agent", .address), ("proofs", .list(storedProof))]))
    ) { oracle, record in
      DocumentedReads.proofs(oracle.proofs(of: record.address), of: record.address)
    },
  ]

  /// A read about one agent; 404 where nothing is known about it.
  private static func readAgent(
    _ rest: String = "", summary: String, _ answer: OracleRoute.Answer,
    _ read: @escaping @Sendable (MockOracle, AgentRecord) -> JSON
  ) -> OracleRoute {
    OracleRoute(
      .get, "/api/v1/agents", "/{agent}" + rest, dialect: .documented, summary: summary,
      parameters: [.path("agent")], answers: [answer, unknownAgent]
    ) { oracle, routed in
      let text = routed["agent"]
      // What fails to parse is no agent's address, and nothing is known about it.
      guard let address = try? Address(text), let record = oracle.agent(address) else {
        return Reply(
          response: DocumentedDialect.error("no agent \(text)", status: .notFound),
          outcome: .served)
      }
      return .served(read(oracle, record))
    }
  }
}

/// The JSON of what the documented dialect shows of the ledger.
enum DocumentedReads {
  static func agents(_ records: [AgentRecord]) -> JSON {
    ["agents": .array(records.map(agent)), "count": .integer(records.count)]
  }

  static func agent(_ record: AgentRecord) -> JSON {
    [
      "agent": .string(record.address.checksummed),
      "processed_tokens": .integer(record.processedTokens),
      "avg_latency_ms": .number(JSONNumber(python: record.averageLatencyMilliseconds)),
      "uptime_seconds": .integer(record.uptimeSeconds),
      "tasks_completed": .integer(record.tasksCompleted),
      "last_timestamp": .integer(record.lastTimestamp),
      "reports": .integer(record.reportCount),
      "proofs": .integer(record.proofCount),
    ]
  }

  static func reports(_ reports: [StoredReport], of agent: Address) -> JSON {
    ["agent": .string(agent.checksummed), "reports": .array(reports.map(report))]
  }

  static func proofs(_ proofs: [StoredProof], of agent: Address) -> JSON {
    ["agent": .string(agent.checksummed), "proofs": .array(proofs.map(proof))]
  }

  static func proof(_ proof: StoredProof) -> JSON {
    [
      "modelHash": .string(proof.modelHash), "inputHash": .string(proof.inputHash),
      "outputHash": .string(proof.outputHash), "tokenCount": .integer(proof.tokenCount),
    ]
  }

  private static func report(_ report: StoredReport) -> JSON {
    [
      "dialect": .string(report.dialect.rawValue),
      "processed_tokens": .integer(report.processedTokens),
      "avg_latency_ms": .number(JSONNumber(python: report.averageLatencyMilliseconds)),
      "uptime_seconds": .integer(report.uptimeSeconds),
      "tasks_completed": .integer(report.tasksCompleted),
      "timestamp": .integer(report.timestamp),
      "received_at": .integer(report.receivedAt),
      "proofs": .integer(report.proofs.count),
    ]
  }
}
