import EthereumPrimitives
import PlumiseWire

/// What the documented dialect shows of the oracle's books: our own, the document names none.
///
/// `GET /api/v1/agents` · `GET /api/v1/agents/ADDRESS` · `…/reports` · `…/proofs`.
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
