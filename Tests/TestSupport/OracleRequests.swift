package import EthereumPrimitives
package import HTTPTypes
package import MockOracle
package import MockServing
package import PlumiseWire
import Synchronization

/// What was answered, with its body read as JSON.
package struct Answer: Equatable {
  package let status: Int
  package let body: JSON?

  package init(_ response: WebResponse) {
    status = response.status.code
    // A body that is no JSON is nil, and equal to no expectation.
    body = try? JSON.parse(response.body)
  }

  package init(status: Int, body: JSON) {
    self.status = status
    self.body = body
  }

  package var message: String? { body?["message"]?.stringValue }
  package var messages: [String]? { body?["message"]?.arrayValue?.compactMap(\.stringValue) }
}

extension MockOracle {
  /// Posts a body in process, as JSON where the fields name no other type.
  package func post(
    _ body: [UInt8], to path: String = ReportDialect.documented.path, headers: HTTPFields = [:]
  ) async -> Answer {
    var headers = headers
    if headers[.contentType] == nil { headers[.contentType] = "application/json" }
    return Answer(await respond(to: WebRequest(.post, path, headers: headers, body: body)))
  }

  /// Posts JSON in process.
  package func post(_ body: JSON, to path: String = ReportDialect.documented.path) async -> Answer {
    await post(body.serialized(), to: path)
  }

  /// Reads a path in process.
  package func get(_ path: String) async -> Answer {
    Answer(await respond(to: WebRequest(.get, path)))
  }
}

/// A time of day that a test sets.
package final class TestTime: Sendable {
  private let value: Mutex<Int64>

  package init(_ seconds: Int64) { value = Mutex(seconds) }

  package var seconds: Int64 {
    get { value.withLock { $0 } }
    set { value.withLock { $0 = newValue } }
  }

  package var clock: UnixClock { UnixClock { .seconds(self.seconds) } }
}

/// A signed documented report whose payload a test can change before it is signed.
package func signedReport(
  by key: SecretKey, tokens: Int64 = 600, timestamp: Int64 = 1_770_200_000,
  change: (inout JSONObject) -> Void = { _ in }
) throws -> JSON {
  let payload = try DocumentedReport.Payload(
    agent: key.address, processedTokens: tokens, averageLatencyMilliseconds: 100,
    uptimeSeconds: 60, tasksCompleted: 3, timestamp: timestamp)
  var object = payload.json.objectValue ?? JSONObject()
  change(&object)
  let signature = SignedText(canonical: .object(object)).signature(by: key)
  return ["payload": .object(object), "signature": .string(signature.hex)]
}

/// A signed deployed report whose body a test can change after it is signed.
package func deployedReport(
  by key: SecretKey, tokens: Int64 = 600, requests: Int64 = 3, latency: Double = 100,
  timestamp: Int64 = 1_770_200_000, change: (inout JSONObject) -> Void = { _ in }
) throws -> JSON {
  let measures = try ReportMeasures(
    agent: key.address, processedTokens: tokens, averageLatencyMilliseconds: latency,
    uptimeSeconds: 60, tasksCompleted: requests, timestamp: timestamp)
  var object =
    DeployedReport.Payload(measures).signed(with: key).body.objectValue ?? JSONObject()
  change(&object)
  return .object(object)
}

/// A key that every test may use; each test has an oracle of its own.
package func testKey(_ number: UInt8 = 1) throws -> SecretKey {
  try SecretKey(bytes: [UInt8](repeating: number, count: 32))
}

/// A signed registration of a node, which a test can change after it is signed.
package func nodeRegistration(
  by key: SecretKey, timestamp: Int64 = 1_770_200_000, extras: JSONObject = [:],
  change: (inout JSONObject) -> Void = { _ in }
) -> JSON {
  changed(
    NodeRegistration(
      address: key.address, endpoint: "http://10.0.0.1:31330", capabilities: ["inference", "gpu"],
      timestamp: timestamp, extras: extras
    ).message.body(signedWith: key), change)
}

/// A signed registration with a pipeline.
package func pipelineRegistration(
  by key: SecretKey, model: String = PlumiseNetwork.model, ram: Int64 = 8192,
  device: String = "cpu", vram: Int64 = 0, timestamp: Int64 = 1_770_200_000,
  change: (inout JSONObject) -> Void = { _ in }
) -> JSON {
  changed(
    PipelineRegistration(
      address: key.address, grpcEndpoint: "http://10.0.0.1:50051",
      httpEndpoint: "http://10.0.0.1:31331", model: model, ramMegabytes: ram, device: device,
      vramMegabytes: vram, timestamp: timestamp
    ).message.body(signedWith: key), change)
}

/// A signed word that a node has loaded its blocks.
package func pipelineReady(
  by key: SecretKey, model: String = PlumiseNetwork.model, timestamp: Int64 = 1_770_200_001
) -> JSON {
  PipelineReady(address: key.address, model: model, timestamp: timestamp).message
    .body(signedWith: key)
}

private func changed(_ body: JSON, _ change: (inout JSONObject) -> Void) -> JSON {
  var object = body.objectValue ?? JSONObject()
  change(&object)
  return .object(object)
}

extension MockOracle {
  /// An oracle of the deployed dialect at a time that the test sets.
  package static func deployed(
    profile: OracleProfile = .fixed, registration: RegistrationCheck = .everyone,
    log: (any ReportLog)? = nil, at time: TestTime = TestTime(1_770_200_000)
  ) -> MockOracle {
    MockOracle(
      OracleConfiguration(
        dialects: [.deployed], profile: profile, registration: registration, log: log,
        unixClock: time.clock))
  }
}
