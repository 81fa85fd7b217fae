import EthereumPrimitives
import MockOracle
import PlumiseWire
import TestSupport
import Testing

/// Drifts of the network of February 2026 that the oracle shows by itself, in both profiles: they are
/// its dialect's, and no fault that `fixed` repairs.
@Suite("Drift of February 2026", .timeLimit(.minutes(5))) struct DeployedDriftTests {
  private let start: Int64 = 1_770_200_000
  private let reportPath = ReportDialect.deployed.path

  private func oracle(
    _ profile: OracleProfile, at time: TestTime = TestTime(1_770_200_000)
  ) -> MockOracle {
    MockOracle(
      OracleConfiguration(dialects: [.deployed], profile: profile, unixClock: time.clock))
  }

  @Test("24: what agent-app reports is always refused", arguments: OracleProfile.allCases)
  func desktopReport(profile: OracleProfile) async throws {
    let report: JSON = [
      "address": .string(try testKey().address.checksummed), "totalTokens": 10,
      "totalRequests": 1, "avgLatency": 5, "tps": 2, "uptime": 60,
    ]
    let answer = await oracle(profile).post(report, to: reportPath)
    #expect(answer.status == 400)
    let unknown = ["address", "totalTokens", "totalRequests", "avgLatency", "tps", "uptime"]
      .map { "property \($0) should not exist" }
    #expect(answer.messages?.prefix(6).elementsEqual(unknown) == true)
    #expect(answer.messages?.contains("wallet must be an Ethereum address") == true)
  }

  @Test(
    "25: agent and gateway report one wallet by turns, and every drop counts whole",
    arguments: OracleProfile.allCases)
  func twoReporters(profile: OracleProfile) async throws {
    let oracle = oracle(profile)
    let key = try testKey()
    for (offset, tokens) in [1000, 40, 1010, 50].enumerated() {
      let report = try deployedReport(
        by: key, tokens: Int64(tokens), timestamp: start + Int64(offset))
      #expect(await oracle.post(report, to: reportPath).status == 201)
    }
    // 1010 and 50 tokens were processed; what is more comes from the two drops.
    let counted: Int64 = 1000 + 40 + 970 + 50
    let record = try #require(oracle.agent(key.address))
    #expect(record.processedTokens == counted)
  }

  @Test(
    "36: a node that stands alone is listed behind the pipeline, with order 999",
    arguments: OracleProfile.allCases)
  func standalone(profile: OracleProfile) async throws {
    let oracle = oracle(profile)
    let model = PlumiseNetwork.model
    #expect(
      await oracle.post(pipelineRegistration(by: try testKey(1)), to: PipelineRegistration.path)
        .status == 201)
    let alone = NodeRegistration(
      address: try testKey(2).address, endpoint: "http://10.0.0.1:31331",
      capabilities: ["inference", model], timestamp: start
    ).message.body(signedWith: try testKey(2))
    #expect(await oracle.post(alone, to: NodeRegistration.path).status == 201)
    let listed = await oracle.get("/api/v1/pipeline/topology?model=\(model)").body
    #expect(listed?["count"] == 2)
    let (first, last) = (listed?["nodes"]?[0], listed?["nodes"]?[1])
    #expect(first?["pipelineOrder"] == 0 && first?["ready"] == false)
    #expect(last?["pipelineOrder"] == 999 && last?["ready"] == true)
    #expect(last?["layerStart"] == 0 && last?["layerEnd"] == first?["totalLayers"])
    let address = try testKey(2).address.lowercaseHex
    #expect(last?["grpcEndpoint"] == .string("standalone://\(address)"))
  }

  @Test(
    "37, 38: layers shared anew reach no agent that runs; of bloom-560m the second's do not exist",
    arguments: OracleProfile.allCases)
  func sharedAnew(profile: OracleProfile) async throws {
    let oracle = oracle(profile)
    let blocks = profile == .fixed ? 24 : 32
    var answered: [LayerAssignment?] = []
    for number in 1...2 as ClosedRange<UInt8> {
      let answer = await oracle.post(
        pipelineRegistration(by: try testKey(number)), to: PipelineRegistration.path)
      answered.append(answer.body.flatMap(LayerAssignment.init))
    }
    // The first was told to serve everything, and is told nothing else.
    #expect(answered.map { $0?.layerStart } == [0, blocks / 2])
    #expect(answered.map { $0?.layerEnd } == [blocks, blocks])
    #expect(oracle.topology(of: PlumiseNetwork.model).map(\.layerEnd) == [blocks / 2, blocks])
    let reach = (answered.last ?? nil)?.layerEnd ?? 0
    #expect((reach > PlumiseNetwork.modelLayers) == (profile == .faithful))
  }

  @Test(
    "39, 44: an endpoint without its scheme is no URL, and one on 127.0.0.1 is",
    arguments: OracleProfile.allCases)
  func endpoints(profile: OracleProfile) async throws {
    let oracle = oracle(profile)
    let bare = pipelineRegistration(by: try testKey()) { $0["grpcEndpoint"] = "10.0.0.1:50051" }
    let refused = await oracle.post(bare, to: PipelineRegistration.path)
    #expect(refused.messages == ["grpcEndpoint must be a URL address"])
    let local = NodeRegistration(
      address: try testKey().address, endpoint: "http://127.0.0.1:31331",
      capabilities: ["inference"], timestamp: start
    ).message.body(signedWith: try testKey())
    #expect(await oracle.post(local, to: NodeRegistration.path).status == 201)
  }

  @Test(
    "40: an agent that was silent for ten minutes loses its row, and no report brings it back",
    arguments: OracleProfile.allCases)
  func lostRow(profile: OracleProfile) async throws {
    let time = TestTime(start)
    let oracle = oracle(profile, at: time)
    let key = try testKey()
    #expect(
      await oracle.post(pipelineRegistration(by: key), to: PipelineRegistration.path).status == 201)
    for (seconds, isListed) in [(599, true), (599, true), (600, false), (1, false)] {
      time.seconds += Int64(seconds)
      let report = try deployedReport(by: key, timestamp: time.seconds)
      #expect(await oracle.post(report, to: reportPath).status == 201)
      #expect(oracle.topology(of: PlumiseNetwork.model).isEmpty != isListed)
    }
    #expect(oracle.activeNodes.map(\.address) == [key.address])
  }

  @Test(
    "46: the oracle takes qwen3.5-397b-a17b to have 96 layers", arguments: OracleProfile.allCases)
  func layersOfLargeModel(profile: OracleProfile) async throws {
    let body = pipelineRegistration(by: try testKey(), model: "qwen/qwen3.5-397b-a17b")
    let answer = await oracle(profile).post(body, to: PipelineRegistration.path)
    #expect(answer.body?["totalLayers"] == 96)
  }

  @Test(
    "49: routes that only the oracle's README has are none", arguments: OracleProfile.allCases)
  func readmeRoutes(profile: OracleProfile) async throws {
    let oracle = oracle(profile)
    let submitted = await oracle.post([:], to: "/api/v1/proofs/submit")
    #expect(submitted.message == "Cannot POST /api/v1/proofs/submit")
    let address = try testKey().address.checksummed
    #expect(await oracle.get("/api/v1/proofs/agent/\(address)").status == 404)
    // This one is taken for an agent's address.
    #expect(await oracle.get("/api/v1/proofs/stats").message == "Invalid address")
  }
}
