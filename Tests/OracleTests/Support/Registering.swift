import EthereumPrimitives
import MockOracle
import PlumiseWire

/// A signed registration of a node, which a test can change after it is signed.
func nodeRegistration(
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
func pipelineRegistration(
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
func pipelineReady(
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
  static func deployed(
    profile: OracleProfile = .fixed, registration: RegistrationCheck = .everyone,
    log: (any ReportLog)? = nil, at time: TestTime = TestTime(1_770_200_000)
  ) -> MockOracle {
    MockOracle(
      OracleConfiguration(
        dialects: [.deployed], profile: profile, registration: registration, log: log,
        clock: time.clock))
  }
}
