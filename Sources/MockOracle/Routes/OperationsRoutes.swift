import HTTPTypes
import MockServing
import PlumiseWire

/// The routes for whoever operates the oracle, whatever its dialects are.
enum OperationsRoutes {
  private static let status = Schema.object([("status", .text)])

  static let table: [OracleRoute] = [
    OracleRoute(
      .get, "/health", dialect: nil, summary: "Whether the process lives.",
      answers: [(200, "It does.", status)]
    ) { _, _ in .served(["status": "ok"]) },
    OracleRoute(
      .get, "/ready", dialect: nil, summary: "Whether it serves.",
      answers: [(200, "It does.", status), (503, "Not yet.", status)]
    ) { oracle, _ in
      oracle.isServing
        ? .served(["status": "ready"])
        : .served(["status": "starting"], status: .serviceUnavailable)
    },
    OracleRoute(
      .get, "/openapi.json", dialect: nil, summary: "This description.",
      answers: [(200, "OpenAPI 3.1.", .object([("openapi", .text)]))]
    ) { oracle, _ in Reply(response: .json(oracle.description), outcome: .served) },
    OracleRoute(
      .get, "/metrics", dialect: nil, summary: "Counters for Prometheus.",
      answerType: "text/plain", answers: [(200, "Text format 0.0.4.", .text)]
    ) { oracle, _ in
      let text = oracle.metrics.text(
        agents: oracle.reportStore.read { $0.agents.count }, journal: oracle.journal)
      return Reply(
        response: WebResponse(
          headers: [.contentType: "text/plain; version=0.0.4; charset=utf-8"],
          body: Array(text.utf8)),
        outcome: .served)
    },
  ]
}
