import EthereumPrimitives
import HTTPTypes
import MockOracle
import MockServing
import PlumiseWire
import TestSupport
import Testing

/// Numbers at and beyond the ends of every type, as text.
private enum Extremes {
  /// The powers of two up to 2^256, in decimal digits.
  static let powers = (0...256).map { PowersOfTwo.around($0)[1] }

  /// What JSON can spell.
  static let numbers: [String] = {
    var numbers = [
      "0", "-0", "0.0", "1.0", "-1", "0.5", "-0.5", "1e400", "-1e400", "1e-400", "1e308", "1E2",
      "1.7976931348623157e308", "4.9e-324", "9223372036854775807.5", "1e18", "1e19",
    ]
    for exponent in 0...256 {
      let near = PowersOfTwo.around(exponent)
      numbers += near + ["-" + near[1]]
    }
    return numbers
  }()

  /// What no number is.
  static let others = [
    "NaN", "Infinity", "-Infinity", "0x10", "1_000", "+1", "", " ", "١", "1e", "--1",
  ]
}

@Suite("Extreme numbers everywhere", .timeLimit(.minutes(5)))
struct ExtremeNumberDriverTests {
  private struct Field {
    let path: [String]
    let schema: JSON
    var name: String { path.last ?? "" }
    var dotted: String { path.joined(separator: ".") }
  }

  private let start: Int64 = 1_770_200_000
  private let description = OpenAPI.description(of: Set(ReportDialect.allCases))

  private func oracle(_ profile: OracleProfile = .fixed) -> MockOracle {
    MockOracle(
      OracleConfiguration(
        dialects: Set(ReportDialect.allCases), profile: profile, apiKey: "key",
        epoch: EpochSource { 7 }, unixClock: TestTime(start).clock, journalCapacity: 1))
  }

  /// The routes of the description with a method.
  private func routes(_ method: String) throws -> [(path: String, operation: JSON)] {
    let paths = description["paths"]?.objectValue?.members ?? []
    let routes = paths.compactMap { member in member.value[method].map { (member.key, $0) } }
    try #require(!routes.isEmpty)
    return routes
  }

  private func documented(_ operation: JSON) -> Set<Int> {
    Set((operation["responses"]?.objectValue?.keys ?? []).compactMap { Int($0) })
  }

  /// The numbers in a body, by what its description says.
  private func numbers(in schema: JSON, at path: [String] = []) -> [Field] {
    switch schema["type"]?.stringValue {
    case "integer", "number": return [Field(path: path, schema: schema)]
    case "object":
      return (schema["properties"]?.objectValue?.members ?? []).flatMap {
        numbers(in: $0.value, at: path + [$0.key])
      }
    case "array": return numbers(in: schema["items"] ?? [:], at: path + ["0"])
    default: return (schema["anyOf"]?.arrayValue ?? []).flatMap { numbers(in: $0, at: path) }
    }
  }

  /// A body without fault for a route; a new route needs one here.
  private func body(for path: String, by key: SecretKey) throws -> JSONObject {
    let proof = validProof(of: key.address.checksummed)
    let body: JSON
    switch path {
    case DocumentedReport.path:
      body = try signedReport(by: key) { $0["proofs"] = [.object(proof)] }
    case ReportDialect.deployed.path, DeployedReport.keyedPath:
      body = try deployedReport(by: key) {
        var own = proof
        for name in ["agentAddress", "proofHash"] { own[name] = nil }
        $0["proofs"] = [.object(own)]
      }
    case NodeRegistration.path: body = nodeRegistration(by: key)
    case PipelineRegistration.path: body = pipelineRegistration(by: key)
    case PipelineReady.path: body = pipelineReady(by: key, timestamp: start)
    case "/api/models":
      body = [
        "modelId": "m", "displayName": "M", "activeParams": 1, "totalParams": 9, "arch": "moe",
        "minMemoryMb": 1, "totalLayers": 1,
      ]
    case "/api/models/{id}/hashes": body = ["ggufHash": "ab", "fileSizeMb": 1]
    default:
      Issue.record("no body is known for POST \(path)")
      body = [:]
    }
    return body.objectValue ?? [:]
  }

  private func setting(_ value: JSON, at path: ArraySlice<String>, in json: JSON) -> JSON {
    guard let first = path.first else { return value }
    if let index = Int(first), var elements = json.arrayValue {
      elements[index] = setting(value, at: path.dropFirst(), in: elements[index])
      return .array(elements)
    }
    var object = json.objectValue ?? [:]
    object[first] = setting(value, at: path.dropFirst(), in: object[first] ?? .null)
    return .object(object)
  }

  /// The body, signed as its route wants it.
  private func signed(_ body: JSON, for path: String, by key: SecretKey) -> JSON {
    guard !path.hasPrefix("/api/models") else { return body }
    let object = body.objectValue ?? [:]
    let text: SignedText
    switch path {
    case DocumentedReport.path: text = SignedText(canonical: body["payload"] ?? .null)
    case ReportDialect.deployed.path, DeployedReport.keyedPath:
      text = DeployedReport.signedText(
        agent: body["wallet"], tokens: body["tokensProcessed"], timestamp: body["timestamp"])
    case NodeRegistration.path:
      text = RegistryMessage.signedText(NodeRegistration.signedMembers, of: object)
    case PipelineRegistration.path:
      text = RegistryMessage.signedText(PipelineRegistration.signedMembers, of: object)
    default: text = RegistryMessage.signedText(PipelineReady.signedMembers, of: object)
    }
    return setting(.string(text.signature(by: key).hex), at: ["signature"], in: body)
  }

  /// Whether a field's description lets a number in.
  private func allows(_ number: JSONNumber, _ schema: JSON) -> Bool {
    let value = number.double
    guard value.isFinite, value >= schema["minimum"]?.doubleValue ?? -.infinity else {
      return false
    }
    guard schema["type"] == "integer" else { return true }
    return number.isInteger && number.integer != nil
  }

  private func read(_ oracle: MockOracle, _ agent: Address) async throws {
    for (path, operation) in try routes("get") {
      let path = path.replacing("{agent}", with: agent.checksummed)
        .replacing("{address}", with: agent.checksummed)
      let answer = await oracle.respond(to: WebRequest(.get, path + "?model=m"))
      #expect(documented(operation).contains(answer.status.code), "\(path)")
    }
  }

  @Test(
    "No number in any body traps, and those that the description does not allow are refused by name",
    arguments: OracleProfile.allCases)
  func bodies(profile: OracleProfile) async throws {
    let json: HTTPFields = [.contentType: "application/json"]
    var keyed = json
    keyed[try #require(HTTPField.Name("x-api-key"))] = "key"
    for (path, operation) in try routes("post") {
      let schema = operation["requestBody"]?["content"]?["application/json"]?["schema"] ?? [:]
      let fields = numbers(in: schema)
      // Models are neither signed nor dated, and a number that no column holds is an error there.
      let isModel = path.hasPrefix("/api/models")
      #expect(fields.contains { $0.name == "timestamp" } != isModel, "\(path)")
      let statuses = documented(operation).subtracting(isModel ? [503] : [500, 503])
      for field in fields {
        let oracle = oracle(profile)
        let key = try testKey()
        let plain = JSON.object(try body(for: path, by: key))
        for (count, text) in Extremes.numbers.enumerated() {
          let number = try #require(JSONNumber(text))
          // Each above the one before, and as close to now as it must be.
          let time = start - 60 + Int64(count % 120)
          var changed = plain
          if field.name != "timestamp", !isModel {
            let place = path == DocumentedReport.path ? ["payload", "timestamp"] : ["timestamp"]
            changed = setting(.integer(time), at: place[...], in: changed)
          }
          changed = setting(.number(number), at: field.path[...], in: changed)
          let answer = await oracle.respond(
            to: WebRequest(
              .post, path, headers: path == DeployedReport.keyedPath ? keyed : json,
              body: signed(changed, for: path, by: key).serialized()))
          let said = "\(path) \(field.dotted) \(text): \(answer.status.code)"
          #expect(statuses.contains(answer.status.code), "\(said)")
          guard !allows(number, field.schema) else { continue }
          let words = String(decoding: answer.body, as: UTF8.self)
          #expect([400, 422].contains(answer.status.code), "\(said)")
          #expect(words.contains("\(field.name) must"), "\(said) \(words)")
        }
        for text in Extremes.others {
          let changed = setting(.string(text), at: field.path[...], in: plain)
          let answer = await oracle.respond(
            to: WebRequest(
              .post, path, headers: json,
              body: signed(changed, for: path, by: key).serialized()))
          #expect([400, 422].contains(answer.status.code), "\(path) \(field.dotted) \"\(text)\"")
        }
        try await read(oracle, key.address)
      }
      // Words that JSON does not know are no numbers either.
      for text in ["NaN", "Infinity", "-", "01", "1.", "0x1", "+1"] {
        let answer = await oracle().respond(
          to: WebRequest(
            .post, path, headers: json,
            body: Array("{\"timestamp\":\(text)}".utf8)))
        #expect(answer.status.code == 400, "\(path) \(text)")
      }
    }
  }

  @Test("No number in any query or path traps")
  func queries() async throws {
    let oracle = oracle()
    let key = try testKey()
    let report = try deployedReport(by: key)
    #expect(await oracle.post(report, to: ReportDialect.deployed.path).status == 201)
    var queried = 0
    for (path, operation) in try routes("get") {
      let path = path.replacing("{agent}", with: key.address.checksummed)
        .replacing("{address}", with: key.address.checksummed)
      for parameter in operation["parameters"]?.arrayValue ?? []
      where parameter["schema"]?["type"] == "integer" {
        queried += 1
        for text in Extremes.numbers + Extremes.others + Extremes.powers.map({ "+" + $0 }) {
          let target = "\(path)?\(parameter["name"]?.stringValue ?? "")=\(text)"
          let answer = await oracle.respond(to: WebRequest(.get, target))
          #expect(documented(operation).contains(answer.status.code), "\(target)")
          // The deployed oracle's database refuses to return fewer rows than none.
          let mayFail = path.hasPrefix("/api/v1/rewards/history/") && text.hasPrefix("-")
          #expect(answer.status.code < 500 || mayFail, "\(target)")
        }
      }
    }
    #expect(queried >= 4)
    for (path, _) in try routes("get") where path.contains("{") {
      for text in Extremes.numbers {
        let target = path.replacing("{agent}", with: text).replacing("{address}", with: text)
        #expect(await oracle.respond(to: WebRequest(.get, target)).status.code < 500)
      }
    }
  }

  @Test("No number in an order for faults, or asked of the administration, traps")
  func administration() async throws {
    let plain: [(JSON, [String])] = [
      (["fault": "status", "status": 503], ["status", "times", "after", "likelihood"]),
      (["fault": "status", "status": 503], ["count", "skip", "probability"]),
      (["fault": "delay", "seconds": 1], ["seconds"]),
      (["fault": "delay", "milliseconds": 1], ["milliseconds"]),
      (["fault": "slow-body", "seconds": 1, "bytes": 1], ["seconds", "bytes"]),
      (["fault": "reset-amid", "bytes": 1], ["bytes"]),
      (["fault": "too-many-requests", "retry_after": 1], ["retry_after"]),
    ]
    let faults = FaultScript()
    for (order, members) in plain {
      for member in members {
        for text in Extremes.numbers {
          let changed = setting(
            .number(try #require(JSONNumber(text))), at: [member][...], in: order)
          do {
            _ = try FaultOrder(json: changed).add(to: faults)
            faults.clear()
          } catch {
            #expect(error.member == member && error.reason.contains("must be"), "\(error)")
          }
        }
      }
    }
    let oracle = oracle()
    for text in Extremes.numbers + Extremes.others {
      let journal = WebRequest(.get, "/journal?limit=\(text)")
      #expect([200, 400].contains(await oracle.administer(journal, faults).status.code), "\(text)")
      let one = WebRequest(.delete, "/faults/\(text)")
      #expect([200, 404].contains(await oracle.administer(one, faults).status.code), "\(text)")
    }
  }

  @Test(
    "No length of a body or of a chunk traps, or holds the connection of a client that has ended")
  func lengths() async throws {
    try await withWebServer(respond: { .text("\($0.body.count) bytes") }) { address async throws in
      func answer(_ fields: String, _ body: String) async throws -> String {
        try await RawClient.connected(to: address) { client async throws in
          try await client.sendLast("POST / HTTP/1.1\r\nHost: x\r\n\(fields)\r\n\r\n\(body)")
          return try await client.waitForEnd()
        }
      }
      for text in Extremes.powers + Extremes.numbers.prefix(17) + Extremes.others
      where text.contains(where: { $0 != " " }) {
        let length = try await answer("Content-Length: \(text)", "abc")
        let fits = ["0", "1", "2"].contains(text)
        #expect(length.hasPrefix("HTTP/1.1 \(fits ? 200 : 400) "), "\(text): \(length)")
      }
      for power in 0...70 {
        for digits in [
          "1" + String(repeating: "0", count: power), String(repeating: "f", count: power),
        ] {
          let chunk = try await answer("Transfer-Encoding: chunked", "\(digits)\r\na\r\n")
          #expect(chunk.hasPrefix("HTTP/1.1 400 "), "\(digits): \(chunk)")
        }
      }
    }
  }

  @Test("No number that a configuration takes traps when it is used")
  func configurations() async throws {
    let key = try testKey()
    let longest = Duration(secondsComponent: .max, attosecondsComponent: 0)
    for count in [Int.min, -1, 0, 1, 2, 65_537, .max] {
      for profile in OracleProfile.allCases {
        let oracle = MockOracle(
          OracleConfiguration(
            dialects: [.deployed], profile: profile, modelLayers: ["m": count],
            unixClock: TestTime(start).clock))
        let body = pipelineRegistration(by: key, model: "m")
        let status = await oracle.post(body, to: PipelineRegistration.path).status
        #expect(status == (count > 0 ? 201 : 400), "\(count) layers")
      }
    }
    for age in [Duration.zero, .seconds(1), longest, .zero - longest] {
      let oracle = MockOracle(
        OracleConfiguration(
          maximumAge: age, unixClock: TestTime(start).clock, journalCapacity: .max,
          journalByteLimit: .max, rateLimit: RateLimit(burst: .max, per: longest),
          limits: ServerLimits(
            headerBytes: .max, connections: .max, requestTime: longest, idleTime: longest)))
      try await oracle.withServer { address async throws in
        for timestamp in [0, 1, start, .max] {
          let report = try signedReport(by: key, timestamp: timestamp).serialized()
          let status = try await fetch(address.url + DocumentedReport.path, "POST", body: report)
            .status
          #expect([200, 409].contains(status), "\(age) \(timestamp)")
        }
      }
    }
  }
}
