import EthereumClient
import EthereumPrimitives
import MockOracle
import PlumiseWire
import TestSupport
import Testing

@Suite("Deployed accounting", .timeLimit(.minutes(5))) struct DeployedAccountingTests {
  private let path = ReportDialect.deployed.path
  private let start: Int64 = 1_770_200_000

  private func oracle(
    profile: OracleProfile = .fixed, epoch: EpochSource = EpochSource { 7 }
  ) -> MockOracle {
    MockOracle(
      OracleConfiguration(
        dialects: [.deployed], profile: profile, epoch: epoch, unixClock: TestTime(start).clock))
  }

  @Test("Counters count by difference, and a counter that fell has started again")
  func differences() async throws {
    let oracle = oracle()
    let key = try testKey()
    let reported: [(tokens: Int64, requests: Int64, total: Int64)] = [
      (100, 1, 100), (250, 3, 250), (250, 3, 250), (40, 1, 290), (60, 2, 310),
    ]
    for (index, step) in reported.enumerated() {
      let report = try deployedReport(
        by: key, tokens: step.tokens, requests: step.requests, timestamp: start + Int64(index))
      #expect(await oracle.post(report, to: path).body?["shouldReset"] == .bool(index == 0))
      #expect(oracle.epoch(7, of: key.address)?.processedTokens == step.total)
    }
    #expect(oracle.epoch(7, of: key.address)?.requestCount == 5)
    #expect(oracle.agent(key.address)?.processedTokens == 310)
  }

  @Test(
    "A constant latency stays constant, unless the deployed fault is asked for",
    arguments: [
      (OracleProfile.fixed, [100, 100, 100]), (.faithful, [100, 150, 200]),
    ])
  func latency(profile: OracleProfile, expected: [Double]) async throws {
    let oracle = oracle(profile: profile)
    let key = try testKey()
    var averages: [Double?] = []
    for count in 1...3 as ClosedRange<Int64> {
      let report = try deployedReport(by: key, requests: count, timestamp: start + count)
      #expect(await oracle.post(report, to: path).status == 201)
      averages.append(oracle.epoch(7, of: key.address)?.averageLatencyMilliseconds)
    }
    #expect(averages == expected)
  }

  @Test(
    "An epoch's first report counts the growth since the epoch before, in both profiles",
    arguments: OracleProfile.allCases)
  func epochs(profile: OracleProfile) async throws {
    let epoch = TestTime(1)
    let oracle = oracle(profile: profile, epoch: EpochSource { UInt64(epoch.seconds) })
    let key = try testKey()
    func report(_ tokens: Int64, _ offset: Int64) async throws -> JSON? {
      let report = try deployedReport(by: key, tokens: tokens, timestamp: start + offset)
      return await oracle.post(report, to: path).body?["shouldReset"]
    }
    #expect(try await report(100, 0) == true)
    #expect(try await report(150, 1) == false)
    epoch.seconds = 2
    #expect(try await report(180, 2) == true)
    #expect(oracle.epoch(1, of: key.address)?.processedTokens == 150)
    #expect(oracle.epoch(2, of: key.address)?.processedTokens == 30)
    // A counter below the last one has started again, in whatever epoch.
    epoch.seconds = 5
    #expect(try await report(20, 3) == true)
    #expect(oracle.epoch(5, of: key.address)?.processedTokens == 20)
    #expect(oracle.agent(key.address)?.processedTokens == 200)
  }

  @Test(
    "100 tokens in one epoch and 150 in the next count 50 there", arguments: OracleProfile.allCases)
  func acrossEpochs(profile: OracleProfile) async throws {
    let epoch = TestTime(0)
    let oracle = oracle(profile: profile, epoch: EpochSource { UInt64(epoch.seconds) })
    let key = try testKey()
    for (number, tokens) in [(0, 100), (1, 150)] as [(Int64, Int64)] {
      epoch.seconds = number
      let report = try deployedReport(
        by: key, tokens: tokens, requests: number + 1, timestamp: start + number)
      #expect(await oracle.post(report, to: path).status == 201)
    }
    let counted = (0...1).map { oracle.epoch($0, of: key.address)?.processedTokens }
    #expect(counted == [100, 50])
    let row = await oracle.get("/api/v1/metrics/agents/\(key.address)").body
    #expect(row?["epoch"] == 1 && row?["tokensProcessed"] == "50" && row?["requestCount"] == 1)
  }

  @Test("With a chain the epoch is the reward pool's; a chain that is down is no epoch")
  func chainEpochs() async throws {
    let current = TestTime(1)
    let client = EthereumClient(
      transport: InMemoryRPCTransport { request in
        let call = try? JSON.parse(request)
        // getCurrentEpoch() of the pool.
        guard current.seconds >= 0, call?["method"] == "eth_call",
          call?["params"]?[0]?["input"] == "0xb97dd9e2"
        else { return Array("down".utf8) }
        return
          ([
            "jsonrpc": "2.0", "id": 1,
            "result": .string(Hex.encode(ABI.word(Word(UInt64(current.seconds))))),
          ] as JSON).serialized()
      })
    let oracle = oracle(epoch: .chain(client))
    let key = try testKey()
    #expect(await oracle.post(try deployedReport(by: key), to: path).status == 201)
    #expect(oracle.epoch(1, of: key.address) != nil)
    current.seconds = 2
    let later = try deployedReport(by: key, timestamp: start + 1)
    #expect(await oracle.post(later, to: path).body?["shouldReset"] == true)
    current.seconds = -1
    let lost = try deployedReport(by: key, timestamp: start + 2)
    let error = "Internal server error"
    #expect(
      await oracle.post(lost, to: path)
        == Answer(
          status: 400,
          body: ["message": .string(error), "error": "Bad Request", "statusCode": 400]))
    // Reads of the epoch then find nothing, but for the capacities, which fail.
    #expect(
      await oracle.get("/api/v1/metrics/summary").body == [
        "epoch": 0, "totalAgents": 0, "totalTokens": "0", "avgLatency": 0, "totalRequests": 0,
      ])
    let address = JSON.string(key.address.lowercaseHex)
    #expect(
      await oracle.get("/api/v1/metrics/agents/\(key.address.lowercaseHex)").body
        == ["address": address, "metrics": nil])
    #expect(
      await oracle.get("/api/v1/metrics/capacity")
        == Answer(status: 500, body: ["statusCode": 500, "message": .string(error)]))
  }

  @Test("What was accounted can be read, per agent, as history and in sum")
  func reads() async throws {
    let oracle = oracle()
    let (first, second) = (try testKey(1), try testKey(2))
    _ = await oracle.post(try deployedReport(by: first, tokens: 30), to: path)
    _ = await oracle.post(try deployedReport(by: second, tokens: 12), to: path)
    let metrics: JSONObject = [
      "epoch": 7, "tokensProcessed": "30", "avgLatencyMs": 100, "requestCount": 3,
      "uptimeSeconds": 60, "lastUpdated": "1770200000",
    ]
    var current = metrics
    current["address"] = .string(first.address.lowercaseHex)
    let base = "/api/v1/metrics/agents/\(first.address.checksummed)"
    #expect(await oracle.get(base) == Answer(status: 200, body: .object(current)))
    #expect(
      await oracle.get(base + "?epoch=8").body
        == ["address": .string(first.address.checksummed), "metrics": nil])
    #expect(
      await oracle.get(base + "/history?limit=50").body
        == [
          "address": .string(first.address.checksummed), "count": 1,
          "metrics": [.object(metrics)],
        ])
    #expect(await oracle.get(base + "/history?limit=0").body?["count"] == 0)
    #expect(await oracle.get(base + "/history?limit=x").message == "Invalid limit")
    #expect(await oracle.get(base + "?epoch=x").message == "Invalid epoch number")
    #expect(
      await oracle.get("/api/v1/metrics/summary").body
        == [
          "epoch": 7, "totalAgents": 2, "totalTokens": "42", "avgLatency": "100.00",
          "totalRequests": 6,
        ])
    #expect(await oracle.get("/api/v1/metrics/agents/nobody").status == 200)
    #expect(
      await oracle.get("/nowhere")
        == Answer(
          status: 404,
          body: ["message": "Cannot GET /nowhere", "error": "Not Found", "statusCode": 404]))
  }

  @Test("Proofs are kept, with any 66 hexadecimal characters for a hash")
  func proofs() async throws {
    let oracle = oracle()
    let key = try testKey()
    let bare = String(repeating: "a", count: 66)
    let report = try deployedReport(by: key) {
      $0["proofs"] = [
        [
          "modelHash": .string(bare), "inputHash": .string(Hash32.zero.hex),
          "outputHash": .string(bare), "tokenCount": 5,
        ]
      ]
    }
    #expect(await oracle.post(report, to: path).status == 201)
    #expect(oracle.proofs(of: key.address).map(\.modelHash) == [bare])
    let stats = await oracle.get("/api/v1/proofs/\(key.address)/stats").body
    #expect(stats?["totalProofs"] == 1 && stats?["verifiedTokens"] == "0")
    #expect(await oracle.get("/api/v1/proofs/nobody").message == "Invalid address")
    #expect(
      await oracle.get("/api/v1/proofs/\(key.address)?limit=0").message
        == "Invalid limit (1-1000)")
    #expect(
      await oracle.get("/api/v1/proofs/\(key.address)/stats?epoch=8").body?["totalProofs"] == 0)
    let listed = await oracle.get("/api/v1/proofs/\(key.address)").body
    #expect(listed?["count"] == 1 && listed?["proofs"]?[0]?["epoch"] == 7)
    #expect(listed?["proofs"]?[0]?["tokenCount"] == "5")
  }
}
