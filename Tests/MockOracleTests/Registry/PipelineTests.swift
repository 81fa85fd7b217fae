import EthereumPrimitives
import FoundationEssentials
import MockOracle
import PlumiseWire
import TestSupport
import Testing

@Suite("Pipeline", .timeLimit(.minutes(5))) struct PipelineTests {
  private let path = PipelineRegistration.path
  private let model = PlumiseNetwork.model

  private func refused(_ message: String) -> Answer {
    Answer(status: 400, body: ["statusCode": 400, "message": .string(message)])
  }

  private func register(
    _ count: Int, with oracle: MockOracle, memory: (Int) -> Int64 = { _ in 8192 }
  ) async throws -> [LayerAssignment] {
    for number in 1...count {
      let body = pipelineRegistration(
        by: try testKey(UInt8(number)), ram: memory(number),
        timestamp: 1_770_200_000)
      let answer = await oracle.post(body, to: path)
      #expect(answer.status == 201, "node \(number): \(answer.message ?? "")")
    }
    return oracle.topology(of: model).map {
      LayerAssignment(layerStart: $0.layerStart, layerEnd: $0.layerEnd, totalLayers: 24)
    }
  }

  @Test(
    "Two equal nodes share the blocks in halves; the deployed oracle counts 32 of them",
    arguments: [(OracleProfile.fixed, [0, 12, 24]), (.faithful, [0, 16, 32])])
  func halves(profile: OracleProfile, bounds: [Int]) async throws {
    let oracle = MockOracle.deployed(profile: profile)
    let first = await oracle.post(pipelineRegistration(by: try testKey(1)), to: path)
    #expect(
      first
        == Answer(
          status: 201,
          body: [
            "success": true, "message": "Pipeline node registered successfully", "layerStart": 0,
            "layerEnd": .integer(bounds[2]), "totalLayers": .integer(bounds[2]),
          ]))
    let second = await oracle.post(pipelineRegistration(by: try testKey(2)), to: path)
    #expect(second.body.flatMap(LayerAssignment.init)?.layerStart == bounds[1])
    let nodes = oracle.topology(of: model)
    #expect(nodes.map(\.layerStart) == [bounds[0], bounds[1]])
    #expect(nodes.map(\.layerEnd) == [bounds[1], bounds[2]])
    #expect(nodes.map(\.pipelineOrder) == [0, 1])
  }

  @Test("From 1 to 24 nodes of any memory every range has a layer, without gap or overlap")
  func everyCount() async throws {
    var memory = SystemRandomNumberGenerator()
    for count in 1...24 {
      for uneven in [false, true] {
        let sizes = (0...count).map { _ in
          uneven ? Int64.random(in: 0...1_000_000, using: &memory) : 8192
        }
        let shares = try await register(count, with: .deployed()) { sizes[$0] }
        #expect(shares.count == count)
        #expect(shares.first?.layerStart == 0 && shares.last?.layerEnd == 24, "\(sizes)")
        #expect(shares.allSatisfy { $0.layerEnd > $0.layerStart }, "\(sizes)")
        #expect(zip(shares, shares.dropFirst()).allSatisfy { $0.layerEnd == $1.layerStart })
      }
    }
  }

  @Test("A node beyond the last layer is refused, and one that renews itself is not")
  func full() async throws {
    let oracle = MockOracle.deployed()
    _ = try await register(24, with: oracle)
    let late = await oracle.post(pipelineRegistration(by: try testKey(25)), to: path)
    #expect(late == refused("No layers left: each of the 24 layers has a node already"))
    let renewed = pipelineRegistration(by: try testKey(24), timestamp: 1_770_200_001)
    #expect(await oracle.post(renewed, to: path).status == 201)
  }

  @Test(
    "The deployed oracle's shares are wrong where its rounding goes wrong",
    arguments: [
      (9, [4, 4, 4, 4, 4, 4, 4, 4, 0]), (13, Array(repeating: 2, count: 12) + [8]),
      (14, Array(repeating: 2, count: 13) + [6]), (22, Array(repeating: 1, count: 21) + [11]),
      (3, [11, 11, 10]),
    ])
  func faithful(count: Int, sizes: [Int]) async throws {
    let shares = try await register(count, with: .deployed(profile: .faithful))
    #expect(shares.map { $0.layerEnd - $0.layerStart } == sizes)
  }

  @Test("With 21 nodes the deployed oracle hands out a negative range")
  func negative() async throws {
    // 32 / 21 rounds to 2, and twenty times 2 is more than 32.
    let shares = try await register(21, with: .deployed(profile: .faithful))
    #expect(shares.last.map { $0.layerEnd - $0.layerStart } == -8)
  }

  @Test(
    "What is left over of equal shares goes to the earlier nodes",
    arguments: [
      (5, [5, 5, 5, 5, 4]), (7, [4, 4, 4, 3, 3, 3, 3]), (10, [3, 3, 3, 3, 2, 2, 2, 2, 2, 2]),
    ])
  func ties(count: Int, sizes: [Int]) async throws {
    let shares = try await register(count, with: .deployed())
    #expect(shares.map { $0.layerEnd - $0.layerStart } == sizes)
  }

  @Test("Layers go by the accelerator's memory where a node has one")
  func weights() async throws {
    let oracle = MockOracle.deployed()
    let bodies = [
      pipelineRegistration(by: try testKey(1), ram: 64_000, device: "cuda", vram: 16_000),
      pipelineRegistration(by: try testKey(2), ram: 8000, device: "cpu", vram: 99_000),
      pipelineRegistration(by: try testKey(3), ram: 24_000, device: "cuda", vram: 0),
    ]
    for body in bodies { #expect(await oracle.post(body, to: path).status == 201) }
    // 16 000 : 8000 : 24 000
    #expect(oracle.topology(of: model).map(\.layerEnd) == [8, 12, 24])
  }

  @Test("Endpoints, replay, signature, chain: the checks come in this order, in these words")
  func refusals() async throws {
    let oracle = MockOracle.deployed()
    let key = try testKey()
    let same = pipelineRegistration(by: key, timestamp: 0) {
      $0["httpEndpoint"] = $0["grpcEndpoint"]
    }
    #expect(
      await oracle.post(same, to: path)
        == refused("Pipeline nodes must have separate gRPC and HTTP endpoints"))
    #expect(await oracle.post(pipelineRegistration(by: key), to: path).status == 201)
    let forged = pipelineRegistration(by: key) { $0["model"] = "another" }
    #expect(
      await oracle.post(forged, to: path)
        == refused("Replay detected: timestamp must be strictly increasing"))
    let later = pipelineRegistration(by: key, timestamp: 1_770_200_001) { $0["ramMb"] = 1 }
    #expect(await oracle.post(later, to: path) == refused("Invalid signature"))
    let far = pipelineRegistration(by: key, timestamp: 1_770_200_061)
    #expect(await oracle.post(far, to: path) == refused("Invalid signature"))
    let strict = MockOracle.deployed(registration: RegistrationCheck { _ in false })
    #expect(
      await strict.post(pipelineRegistration(by: key), to: path)
        == refused("Sponsor registration failed: the oracle has no account on the chain"))
    #expect(
      await oracle.get("/api/v1/pipeline/topology") == refused("Model parameter is required"))
  }

  @Test("A node says that it is ready; one that never registered cannot")
  func ready() async throws {
    let oracle = MockOracle.deployed()
    let (key, stranger) = (try testKey(1), try testKey(2))
    #expect(await oracle.post(pipelineRegistration(by: key), to: path).status == 201)
    #expect(
      await oracle.post(pipelineReady(by: stranger), to: PipelineReady.path)
        == refused("Pipeline node not found"))
    #expect(oracle.topology(of: model).map(\.ready) == [false])
    #expect(
      await oracle.post(pipelineReady(by: key), to: PipelineReady.path)
        == Answer(
          status: 201, body: ["success": true, "message": "Pipeline node marked as ready"]))
    let topology = await oracle.get("/api/v1/pipeline/topology?model=bigscience%2Fbloom-560m").body
    #expect(topology?["count"] == 1 && topology?["model"] == .string(model))
    let node = topology?["nodes"]?[0].flatMap(PipelineNode.init)
    #expect(
      node
        == PipelineNode(
          nodeAddress: key.address.lowercaseHex, grpcEndpoint: "http://10.0.0.1:50051",
          httpEndpoint: "http://10.0.0.1:31331", layerStart: 0, layerEnd: 24, pipelineOrder: 0,
          ready: true))
    #expect(
      await oracle.post(pipelineReady(by: key), to: PipelineReady.path)
        == refused("Replay detected: timestamp must be strictly increasing"))
  }

  @Test("A node silent for ten minutes leaves the pipeline, and the layers are shared anew")
  func silence() async throws {
    let time = TestTime(1_770_200_000)
    let oracle = MockOracle.deployed(at: time)
    for number in 1...2 as ClosedRange<UInt8> {
      let body = pipelineRegistration(by: try testKey(number))
      #expect(await oracle.post(body, to: path).status == 201)
    }
    time.seconds += 599
    let report = try deployedReport(by: testKey(2), timestamp: time.seconds)
    #expect(await oracle.post(report, to: ReportDialect.deployed.path).status == 201)
    time.seconds += 10
    let alone = oracle.topology(of: model)
    #expect(alone.map(\.nodeAddress) == [try testKey(2).address.lowercaseHex])
    let newcomer = pipelineRegistration(by: try testKey(3), timestamp: time.seconds)
    #expect(await oracle.post(newcomer, to: path).status == 201)
    #expect(oracle.topology(of: model).map(\.layerEnd) == [12, 24])
  }

  @Test(
    "In a minute divisible by 5 the layers of a silent member are shared anew, also over a restart",
    arguments: OracleProfile.allCases)
  func sharedAnew(profile: OracleProfile) async throws {
    try await withTemporaryFolder { folder in
      let (model, file) = ("qwen/qwen3-32b", folder.appending(path: "oracle.sqlite").path)
      // 1 770 199 800 is divisible by 300.
      let (minute, joined) = (Int64(1_770_199_800), Int64(1_770_199_900))
      let time = TestTime(joined)
      func open() throws -> MockOracle {
        .deployed(
          profile: profile, log: try SQLiteReportLog(path: file, profile: profile), at: time)
      }
      func rows(_ oracle: MockOracle) async -> [[JSON?]] {
        let listed = await oracle.get("/api/v1/pipeline/topology?model=\(model)").body?["nodes"]
        return (listed?.arrayValue ?? []).map {
          [$0["layerStart"], $0["layerEnd"], $0["pipelineOrder"]]
        }
      }
      do {
        let oracle = try open()
        for number in 1...2 as ClosedRange<UInt8> {
          let body = pipelineRegistration(by: try testKey(number), model: model, timestamp: joined)
          #expect(await oracle.post(body, to: path).status == 201)
        }
        time.seconds = minute + 600
        let report = try deployedReport(by: testKey(2), timestamp: time.seconds)
        #expect(await oracle.post(report, to: ReportDialect.deployed.path).status == 201)
        #expect(await rows(oracle) == [[0, 32, 0], [32, 64, 1]])
        // Silent for ten minutes: it is not listed any more, and its layers are nobody's so far.
        for seconds in [701, 899] as [Int64] {
          time.seconds = minute + seconds
          #expect(await rows(oracle) == [[32, 64, 1]], "after \(seconds) s")
        }
        time.seconds = minute + 900
        #expect(await rows(oracle) == [[0, 64, 0]])
        let late = pipelineReady(by: try testKey(1), model: model, timestamp: time.seconds)
        #expect(
          await oracle.post(late, to: PipelineReady.path) == refused("Pipeline node not found"))
      }
      let restarted = try open()
      #expect(await rows(restarted) == [[0, 64, 0]])
      let again = pipelineRegistration(by: try testKey(1), model: model, timestamp: time.seconds)
      #expect(await restarted.post(again, to: path).body?["layerStart"] == 32)
      #expect(await rows(restarted) == [[0, 32, 0], [32, 64, 1]])
    }
  }

  @Test("Numbers of any size are weighed, and none ends the oracle")
  func extremes() async throws {
    for profile in OracleProfile.allCases {
      let oracle = MockOracle.deployed(profile: profile)
      for (number, text) in [(1, "1e308"), (2, "1e308"), (3, "0"), (4, "1e-320")] {
        let body = try signedPipeline(by: testKey(UInt8(number)), memory: text)
        #expect(await oracle.post(body, to: path).status == 201)
      }
      #expect(oracle.topology(of: model).count == 4)
    }
  }

  private func signedPipeline(by key: SecretKey, memory: String) throws -> JSON {
    var object = try #require(pipelineRegistration(by: key).objectValue)
    object["ramMb"] = JSONNumber(memory).map(JSON.number)
    let text = RegistryMessage.signedText(PipelineRegistration.signedMembers, of: object)
    object["signature"] = .string(text.signature(by: key).hex)
    return .object(object)
  }
}
