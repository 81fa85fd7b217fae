import EthereumPrimitives
import HTTPTypes
public import MockServing
import PlumiseWire
import TextKeys

/// What tests and people do to an oracle that runs elsewhere: on a port of its own, never on the one
/// that nodes reach.
extension MockOracle {
  /// Serves the administration while a body runs.
  ///
  /// `GET`, `POST` and `DELETE /admin/faults` (see ``FaultOrder``), `DELETE /admin/faults/N`,
  /// `GET /journal` (`?agent=0x…&limit=50`), `POST /contributions`, `GET /operations`,
  /// `POST /operations/NAME`, each with `/admin` in front or without.
  /// - Parameters:
  ///   - faults: the script of the server that nodes reach.
  ///   - host: where to listen.
  ///   - port: where to listen; 0 takes any free port.
  ///   - onFaultChange: is told of faults that are ordered, taken back and used up.
  ///   - isolation: the actor that `body` runs on; the caller's.
  ///   - body: what is done meanwhile.
  /// - Throws: `ServingError` when it cannot listen, and whatever `body` throws.
  public func withAdministration<R: Sendable>(
    of faults: FaultScript, host: String = "127.0.0.1", port: Int = 0,
    onFaultChange: @escaping @Sendable (FaultAdministration.Change) -> Void = { _ in },
    isolation: isolated (any Actor)? = #isolation,
    _ body: (ServerAddress) async throws -> R
  ) async throws -> R {
    let server = ServerConfiguration(
      host: host, port: port, maximumBodyBytes: 64 << 10, serviceName: "oracle's administration")
    let administration = Self.administration(of: faults).observed(by: onFaultChange)
    return try await withWebServer(
      server, respond: { await self.administer($0, administration) }, body)
  }

  /// Answers one request of the administration.
  /// - Parameters:
  ///   - asked: the request.
  ///   - faults: the script that it may be about.
  public func administer(_ asked: WebRequest, _ faults: FaultScript) async -> WebResponse {
    await administer(asked, Self.administration(of: faults))
  }

  private static func administration(of faults: FaultScript) -> FaultAdministration {
    FaultAdministration(of: faults) { try FaultOrder(json: $0).rule }
  }

  private func administer(
    _ asked: WebRequest, _ administration: FaultAdministration
  ) async -> WebResponse {
    if let answer = administration.respond(to: asked) { return answer }
    var request = asked
    if asked.method == .head { request.method = .get }
    if let segments = asked.administrationSegments {
      request.path = "/" + segments.joined(separator: "/")
    }
    switch (request.method, request.path) {
    case (.get, "/journal"):
      do throws(FaultOrderError) {
        return answer(try journalJSON(request))
      } catch {
        return answer(["error": .string("\(error)")], .badRequest)
      }
    case (.post, "/contributions"):
      await reportContributions()
      return answer(["outcomes": .integer(contributions?.count ?? 0)])
    case (.get, "/operations"): return answer(operationsJSON)
    default: break
    }
    if request.method == .post, let name = request.segments(after: "/operations")?.first {
      return await perform(named: name)
    }
    return answer(
      ["error": .string("no route \(asked.method.rawValue) \(asked.path)")], .notFound)
  }

  private func answer(_ json: JSON, _ status: HTTPResponse.Status = .ok) -> WebResponse {
    .json(json.serialized(), status: status)
  }

  private func perform(named name: String) async -> WebResponse {
    guard let planned = chainOperator?.plan.operations else {
      return answer(["error": "the oracle does nothing on the chain by itself"], .notFound)
    }
    guard let operation = ChainOperation(rawValue: name), planned.contains(operation) else {
      let names = planned.map(\.rawValue).sorted().joined(separator: ", ")
      return answer(["error": .string("the operation must be one of \(names)")], .notFound)
    }
    await perform(operation)
    return answer(operationsJSON)
  }

  /// What became of the transactions that the oracle sends by itself, oldest first.
  private var operationsJSON: JSON {
    let outcomes = chainOperations?.entries ?? []
    return [
      "outcomes": .array(
        outcomes.map { outcome in
          [
            "operation": .string(outcome.operation.rawValue), "call": .string(outcome.call),
            "agent": outcome.agent.map { .string($0.checksummed) } ?? .null,
            "epoch": outcome.epoch.map { .integer($0) } ?? .null,
            "contribution": outcome.contribution?.json ?? .null, "result": outcome.result.json,
          ]
        })
    ]
  }

  private func journalJSON(_ request: WebRequest) throws(FaultOrderError) -> JSON {
    var agent: Address?
    if let text = request.query["agent"] {
      do { agent = try Address(text) } catch { throw .init("agent", "\(error)") }
    }
    var limit = 50
    if let text = request.query["limit"] {
      guard let number = Int(text), number >= 0 else {
        throw .init("limit", "must be a whole number from 0 to \(Int.max); it is \"\(text)\"")
      }
      limit = number
    }
    let entries = journal.entries { agent == nil || $0.concerns(agent) }
    return [
      "count": .integer(journal.count),
      "entries": .array(entries.suffix(limit).map(\.json)),
    ]
  }
}

extension ChainOperationOutcome.Result {
  /// What became of a transaction, for programs.
  fileprivate var json: JSON {
    switch self {
    case .mined(let hash, let succeeded):
      ["status": "mined", "transaction": .string(hash.hex), "succeeded": .bool(succeeded)]
    case .sent(let hash): ["status": "sent", "transaction": .string(hash.hex)]
    case .failed(let reason): ["status": "failed", "reason": .string(reason)]
    }
  }
}

extension Contribution {
  /// The four arguments of the deployed oracle's call but the agent, in decimal digits.
  fileprivate var json: JSON {
    [
      "taskCount": .string("\(taskCount)"), "uptimeSeconds": .string("\(uptimeSeconds)"),
      "responseScore": .string("\(responseScore)"),
    ]
  }
}

extension WebRequest {
  /// The path's segments after a prefix, or `nil` when the path is somewhere else.
  fileprivate func segments(after prefix: String) -> [String]? {
    guard path == prefix || path.starts(withExactly: prefix + "/") else { return nil }
    return path.utf8.dropFirst(prefix.utf8.count).split(separator: UInt8(ascii: "/"))
      .map { String(decoding: $0, as: UTF8.self) }
  }
}

extension OracleEntry {
  fileprivate func concerns(_ agent: Address?) -> Bool {
    agent.map { isNearMiss(of: $0) || self.agent == $0 } ?? true
  }

  /// The entry in short.
  fileprivate var json: JSON {
    var object: JSONObject = [
      "method": .string(request.method.rawValue), "path": .string(request.path),
      "status": .integer(status),
    ]
    object["agent"] = agent.map { .string($0.checksummed) }
    object["reason"] = refusal.map { .string($0.shortDescription) }
    if !notes.isEmpty { object["notes"] = .array(notes.map { .string($0) }) }
    return .object(object)
  }
}
