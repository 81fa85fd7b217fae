import EthereumPrimitives
import MockOracle
import PlumiseWire
import TestSupport
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
          "property 2 should not exist", "property 10 should not exist",
          "property b should not exist", "property a should not exist",
          "wallet must be an Ethereum address",
        ]
      ) {
        $0["b"] = 1
        $0["10"] = 1
        $0["a"] = 1
        $0["2"] = 1
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
      OracleConfiguration(dialects: [.deployed], unixClock: TestTime(1_770_200_000).clock))
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

  @Test("What is no JSON is refused", arguments: BadBody.malformed)
  func malformed(bad: BadBody) async {
    // The deployed oracle reads past a byte order mark; `DeployedBodyTests.unicode` holds it to that.
    guard bad.body.first != 0xef else { return }
    let answer = await MockOracle.deployed().post(bad.body, to: ReportDialect.deployed.path)
    #expect(answer.status == 400)
    // An empty body is one without members.
    guard !bad.body.isEmpty else { return }
    #expect(answer.message != nil && answer.body?["error"] == "Bad Request")
  }

  @Test(
    "What is no JSON is refused in V8's words",
    arguments: [
      ("{", "Expected property name or '}' in JSON at position 1"),
      ("[", "Unexpected end of JSON input"),
      ("[1", "Expected ',' or ']' after array element in JSON at position 2"),
      ("[1,]", "Unexpected token ']', \"[1,]\" is not valid JSON"),
      (#"{"a""#, "Expected ':' after property name in JSON at position 4"),
      (#"{"a":1"#, "Expected ',' or '}' after property value in JSON at position 6"),
      (#"{"a":1,}"#, "Expected double-quoted property name in JSON at position 7"),
      (#"["a"#, "Unterminated string in JSON at position 3"),
      (#"["\x"]"#, "Bad escaped character in JSON at position 3"),
      (#"["\u12g4"]"#, "Bad Unicode escape in JSON at position 6"),
      ("[-]", "No number after minus sign in JSON at position 2"),
      ("[01]", "Unexpected number in JSON at position 2"),
      ("[1.]", "Unterminated fractional number in JSON at position 3"),
      ("[1e]", "Exponent part is missing a number in JSON at position 3"),
      ("[trux]", "Unexpected token 'x', \"[trux]\" is not valid JSON"),
      ("[]x", "Unexpected non-whitespace character after JSON at position 2"),
      ("  ", "Unexpected end of JSON input"),
      ("abc", "Unexpected token 'a', \"abc\" is not valid JSON"),
    ])
  func syntax(text: String, message: String) async {
    let answer = await MockOracle.deployed().post(Array(text.utf8), to: ReportDialect.deployed.path)
    #expect(
      answer
        == Answer(
          status: 400,
          body: ["message": .string(message), "error": "Bad Request", "statusCode": 400]))
  }

  @Test(
    "JSON that is neither an object nor an array is refused", arguments: ["5", "null", "\"x\""])
  func bareValues(text: String) async {
    let answer = await MockOracle.deployed().post(Array(text.utf8), to: ReportDialect.deployed.path)
    #expect(answer.status == 400)
    let first = text.prefix(1)
    #expect(answer.message == "Unexpected token '\(first)', \"\(text)\" is not valid JSON")
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

/// Reports whose proofs the deployed dialect refuses, and every message that it has for them.
extension DeployedFault {
  static let proofs = lists + hashes + tokenCounts

  private static let notObject =
    "each value in nested property proofs must be either object or array"

  /// What stands in the place of the list, or of one of its elements.
  private static let lists: [DeployedFault] = {
    let valid = validProof()
    let lacking =
      (["modelHash", "inputHash", "outputHash"].flatMap { missing($0) })
      + tokenMessages
    var faults: [DeployedFault] = []
    for value in [5, true, "x"] as [JSON] {
      faults.append(
        .init("proofs \(value)", ["proofs must be an array", notObject]) { $0["proofs"] = value })
    }
    for value in [5, nil, "x"] as [JSON] {
      faults.append(
        .init("proofs that hold \(value)", ["proofs." + notObject]) { $0["proofs"] = [value] })
    }
    faults.append(
      .init("proofs that hold a list of a number", ["proofs.0." + notObject]) {
        $0["proofs"] = [[5]]
      })
    faults += [
      .init("proofs that are one proof", ["proofs must be an array"]) {
        $0["proofs"] = .object(valid)
      },
      .init("proofs that are an empty object", lacking.map { "proofs." + $0 }) {
        $0["proofs"] = [:]
      },
      .init("an empty proof", lacking.map { "proofs.0." + $0 }) { $0["proofs"] = [[:]] },
      .init("a good proof before one that is none", ["proofs." + notObject]) {
        $0["proofs"] = [.object(valid), 5]
      },
      .init("a second proof without tokens", tokenMessages.map { "proofs.1." + $0 }) {
        var bare = valid
        bare["tokenCount"] = nil
        $0["proofs"] = [.object(valid), .object(bare)]
      },
      proof(
        "the documented form",
        ["property agentAddress should not exist", "property proofHash should not exist"]
      ) {
        $0["agentAddress"] = .string(Address.zero.checksummed)
        $0["proofHash"] = .string(Hash32.zero.hex)
      },
    ]
    return faults
  }()

  /// Each of the hashes, by the same rules.
  private static let hashes = ["modelHash", "inputHash", "outputHash"].flatMap { name in
    let hexadecimal = "\(name) must be a hexadecimal number"
    let string = "\(name) must be a string"
    let short = "\(name) must be longer than or equal to 66 characters"
    let long = "\(name) must be shorter than or equal to 66 characters"
    let between =
      "\(name) must be longer than or equal to 66 and shorter than or equal to 66 characters"
    var faults = [proof("no \(name)", missing(name)) { $0[name] = nil }]
    let texts: [(String, String, [String])] = [
      ("is empty", "", [short, hexadecimal]), ("is short", "0x12", [short]),
      ("is long", Hash32.zero.hex + "00", [long]),
      ("is no digits", "0x" + String(repeating: "z", count: 64), [hexadecimal]),
      ("is one digit less", String(Hash32.zero.hex.dropLast()), [short]),
    ]
    for (kind, text, messages) in texts {
      faults.append(proof("\(name) \(kind)", messages) { $0[name] = .string(text) })
    }
    for value in [nil, false, 0, []] as [JSON] {
      faults.append(
        proof("\(name) \(value)", [short, hexadecimal, string]) { $0[name] = value })
    }
    for value in [5, true, [:]] as [JSON] {
      faults.append(
        proof("\(name) \(value)", [between, hexadecimal, string]) { $0[name] = value })
    }
    return faults
  }

  private static let tokenMessages = [
    "tokenCount must not be less than 1",
    "tokenCount must be a number conforming to the specified constraints",
  ]

  private static let tokenCounts: [DeployedFault] = {
    var faults = [proof("no tokenCount", tokenMessages) { $0["tokenCount"] = nil }]
    for value in ["1", nil, true, [], [:]] as [JSON] {
      faults.append(proof("tokenCount \(value)", tokenMessages) { $0["tokenCount"] = value })
    }
    for text in ["0", "-1", "0.5"] {
      faults.append(
        proof("tokenCount \(text)", [tokenMessages[0]]) { $0["tokenCount"] = number(text) })
    }
    faults += [
      proof("tokenCount 1e999", [tokenMessages[1]]) { $0["tokenCount"] = number("1e999") },
      proof("tokenCount -1e999", tokenMessages) { $0["tokenCount"] = number("-1e999") },
    ]
    return faults
  }()

  /// What is said of a hash that is not there.
  private static func missing(_ name: String) -> [String] {
    [
      "\(name) must be longer than or equal to 66 characters",
      "\(name) must be a hexadecimal number", "\(name) must be a string",
    ]
  }

  private static func proof(
    _ name: String, _ messages: [String], _ change: @escaping @Sendable (inout JSONObject) -> Void
  ) -> DeployedFault {
    DeployedFault("proof: " + name, messages.map { "proofs.0." + $0 }) { body in
      var proof = validProof()
      change(&proof)
      body["proofs"] = [.object(proof)]
    }
  }

  private static func validProof() -> JSONObject {
    [
      "modelHash": .string(Hash32.zero.hex), "inputHash": .string(Hash32.zero.hex),
      "outputHash": .string(Hash32.zero.hex), "tokenCount": 1,
    ]
  }

  private static func number(_ text: String) -> JSON {
    JSONNumber(text).map(JSON.number) ?? .null
  }
}
