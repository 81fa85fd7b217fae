import EthereumPrimitives
import MockOracle
import PlumiseWire
import Testing

/// A change to a good body, and every message that it brings, in order.
struct DeployedFault: Sendable, CustomTestStringConvertible {
  let testDescription: String
  let messages: [String]
  let change: @Sendable (inout JSONObject) -> Void

  init(
    _ name: String, _ messages: [String], _ change: @escaping @Sendable (inout JSONObject) -> Void
  ) {
    testDescription = name
    self.messages = messages
    self.change = change
  }

  private static let numbers = [
    "tokensProcessed", "avgLatencyMs", "requestCount", "uptimeSeconds", "timestamp",
  ]

  static let fields: [DeployedFault] = {
    var faults: [DeployedFault] = []
    for value in ["5", "", nil, true, [], 5, "0x12", .string(String(repeating: "a", count: 40))]
      as [JSON]
    {
      faults.append(
        .init("wallet \(value)", ["wallet must be an Ethereum address"]) {
          $0["wallet"] = value
        })
    }
    faults.append(.init("no wallet", ["wallet must be an Ethereum address"]) { $0["wallet"] = nil })
    for name in numbers {
      let below = "\(name) must not be less than 0"
      let both = [below, "\(name) must be a number conforming to the specified constraints"]
      faults.append(.init("no \(name)", both) { $0[name] = nil })
      for value in ["5", nil, false, [:]] as [JSON] {
        faults.append(.init("\(name) \(value)", both) { $0[name] = value })
      }
      faults.append(.init("\(name) −1", [below]) { $0[name] = -1 })
      faults.append(
        .init("\(name) infinite", [both[1]]) { $0[name] = JSONNumber("1e999").map(JSON.number) })
    }
    faults.append(
      .init("no signature", ["signature must be a string"]) { $0["signature"] = nil })
    for value in [5, nil, true, [], [:]] as [JSON] {
      faults.append(
        .init("signature \(value)", ["signature must be a string"]) {
          $0["signature"] = value
        })
    }
    faults.append(
      .init(
        "unknown properties",
        [
          "property b should not exist", "property a should not exist",
          "wallet must be an Ethereum address",
        ]
      ) {
        $0["b"] = 1
        $0["a"] = 1
        $0["wallet"] = 1
      })
    return faults
  }()
}

@Suite("Deployed validation", .timeLimit(.minutes(5))) struct DeployedValidationTests {
  @Test(
    "A body is refused in the deployed oracle's words and order",
    arguments: DeployedFault.fields + DeployedFault.proofs)
  func messages(fault: DeployedFault) async throws {
    let oracle = MockOracle(
      OracleConfiguration(dialects: [.deployed], clock: TestTime(1_770_200_000).clock))
    let report = try deployedReport(by: testKey(), change: fault.change)
    #expect(
      await oracle.post(report, to: ReportDialect.deployed.path)
        == Answer(
          status: 400,
          body: [
            "message": .array(fault.messages.map { .string($0) }), "error": "Bad Request",
            "statusCode": 400,
          ]))
  }

  @Test("What is no JSON is refused with the byte that is wrong", arguments: BadBody.malformed)
  func malformed(bad: BadBody) async {
    let reason = bad.message.replacing("Malformed JSON: the body is not JSON: ", with: "")
    #expect(
      await MockOracle.deployed().post(bad.body, to: ReportDialect.deployed.path)
        == Answer(
          status: 400,
          body: ["message": .string(reason), "error": "Bad Request", "statusCode": 400]))
  }

  @Test(
    "JSON that is neither an object nor an array is refused", arguments: ["5", "null", "\"x\""])
  func bareValues(text: String) async {
    let answer = await MockOracle.deployed().post(Array(text.utf8), to: ReportDialect.deployed.path)
    #expect(answer.status == 400)
    #expect(answer.message == "the body is neither an object nor an array")
  }

  @Test("Each dialect has eighty bad bodies at least, no two of one name")
  func count() {
    let deployed = (DeployedFault.fields + DeployedFault.proofs).map(\.testDescription)
    #expect(Set(deployed).count == deployed.count && deployed.count >= 80)
    let documented = (BadBody.malformed + BadBody.invalid + BadBody.proofs).map(\.name)
    #expect(Set(documented).count == documented.count && documented.count >= 80)
  }

  @Test("An empty body lacks everything, field by field")
  func empty() async {
    let oracle = MockOracle(OracleConfiguration(dialects: [.deployed]))
    let answer = await oracle.post([:], to: ReportDialect.deployed.path)
    #expect(answer.messages?.count == 12)
    #expect(answer.messages?.first == "wallet must be an Ethereum address")
    #expect(answer.messages?.last == "signature must be a string")
  }
}
