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
    for value in [5, nil, true] as [JSON] {
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

  private static func proof(
    _ name: String, _ messages: [String], _ change: @escaping @Sendable (inout JSONObject) -> Void
  ) -> DeployedFault {
    DeployedFault("proof: " + name, messages.map { "proofs.0." + $0 }) { body in
      var proof: JSONObject = [
        "modelHash": .string(Hash32.zero.hex), "inputHash": .string(Hash32.zero.hex),
        "outputHash": .string(Hash32.zero.hex), "tokenCount": 1,
      ]
      change(&proof)
      body["proofs"] = [.object(proof)]
    }
  }

  static let proofs: [DeployedFault] = {
    let hexadecimal = "modelHash must be a hexadecimal number"
    let string = "modelHash must be a string"
    let short = "modelHash must be longer than or equal to 66 characters"
    let long = "modelHash must be shorter than or equal to 66 characters"
    let between =
      "modelHash must be longer than or equal to 66 and shorter than or equal to 66 characters"
    let object = "each value in nested property proofs must be either object or array"
    return [
      .init("proofs 5", ["proofs must be an array", object]) { $0["proofs"] = 5 },
      .init("proofs of numbers", ["proofs." + object]) { $0["proofs"] = [5] },
      proof(
        "the documented form",
        [
          "property agentAddress should not exist", "property proofHash should not exist",
        ]
      ) {
        $0["agentAddress"] = .string(Address.zero.checksummed)
        $0["proofHash"] = .string(Hash32.zero.hex)
      },
      proof("no hash", [short, hexadecimal, string]) { $0["modelHash"] = nil },
      proof("a number for a hash", [between, hexadecimal, string]) { $0["modelHash"] = 5 },
      proof("a short hash", [short]) { $0["modelHash"] = "0x12" },
      proof("a long hash", [long]) { $0["modelHash"] = .string(Hash32.zero.hex + "00") },
      proof("letters that are no digits", [hexadecimal]) {
        $0["modelHash"] = .string("0x" + String(repeating: "z", count: 64))
      },
      proof("no tokens", ["tokenCount must not be less than 1"]) { $0["tokenCount"] = 0 },
      proof(
        "tokens as text",
        [
          "tokenCount must not be less than 1",
          "tokenCount must be a number conforming to the specified constraints",
        ]
      ) { $0["tokenCount"] = "1" },
    ]
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

  @Test("An empty body lacks everything, field by field")
  func empty() async {
    let oracle = MockOracle(OracleConfiguration(dialects: [.deployed]))
    let answer = await oracle.post([:], to: ReportDialect.deployed.path)
    #expect(answer.messages?.count == 12)
    #expect(answer.messages?.first == "wallet must be an Ethereum address")
    #expect(answer.messages?.last == "signature must be a string")
  }
}
