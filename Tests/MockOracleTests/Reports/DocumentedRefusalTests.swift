import EthereumPrimitives
import MockOracle
import MockServing
import PlumiseWire
import TestSupport
import Testing

@Suite("Documented refusal", .timeLimit(.minutes(5))) struct DocumentedRefusalTests {
  @Test(
    "A malformed body is refused with 400 and the byte that is wrong", arguments: BadBody.malformed)
  func malformed(bad: BadBody) async {
    #expect(
      await MockOracle().post(bad.body)
        == Answer(
          status: bad.status, body: ["status": "error", "message": .string(bad.message)]))
  }

  @Test(
    "A body with a wrong field is refused with 422 and the field's path",
    arguments: BadBody.invalid + BadBody.proofs)
  func invalid(bad: BadBody) async {
    let answer = await MockOracle().post(bad.body)
    #expect(answer.status == bad.status)
    #expect(answer.message == bad.message)
    let details = answer.body?["detail"]?.arrayValue ?? []
    let rebuilt = details.map {
      "\($0["path"]?.stringValue ?? "?") \($0["message"]?.stringValue ?? "?")"
    }
    #expect("Validation failed: " + rebuilt.joined(separator: "; ") == bad.message)
  }

  @Test("Every fault of a body is listed at once")
  func everyFault() async {
    let answer = await MockOracle().post(
      ["payload": ["agent": 1, "processed_tokens": -1], "signature": nil])
    let paths = answer.body?["detail"]?.arrayValue?.map { $0["path"]?.stringValue ?? "" }
    #expect(
      paths == [
        "payload.agent", "payload.processed_tokens", "payload.avg_latency_ms",
        "payload.uptime_seconds", "payload.tasks_completed", "payload.timestamp", "signature",
      ])
  }

  @Test("A proof of another agent, or whose hash is not of its fields, is refused")
  func contradictions() async throws {
    let key = try testKey()
    let other = validProof(of: try testKey(2).address.checksummed)
    var forged = validProof(of: key.address.checksummed)
    forged["outputHash"] = .string(Hash32.zero.hex)
    let oracle = MockOracle()
    let foreign = await oracle.post(
      try signedReport(by: key) { $0["proofs"] = [.object(other)] })
    #expect(
      foreign.message
        == "Validation failed: payload.proofs.0.agentAddress must be the reporting agent "
        + key.address.checksummed)
    let wrongHash = await oracle.post(
      try signedReport(by: key) { $0["proofs"] = [.object(forged)] })
    #expect(wrongHash.status == 422)
    #expect(wrongHash.message?.contains("proofHash must be the hash of the other fields") == true)
  }

  @Test("A report whose payload was altered is refused: every single bit", .timeLimit(.minutes(5)))
  func bitFlips() async throws {
    let oracle = MockOracle()
    let body = ReportVector.first.documented.serialized()
    let signature = ReportVector.first.documented["signature"]?.stringValue ?? ""
    var refused: [Int: Int] = [:]
    for index in body.indices {
      for bit in 0..<8 {
        var flipped = body
        flipped[index] ^= 1 << bit
        // The same signature spelled with another case of a letter is the same signature.
        if let parsed = try? JSON.parse(flipped), parsed["payload"] == ReportVector.first.payload,
          parsed["signature"]?.stringValue?.lowercased() == signature
        {
          continue
        }
        let status = await oracle.post(flipped).status
        refused[status, default: 0] += 1
        #expect([400, 401, 422].contains(status), "bit \(bit) of byte \(index) gave \(status)")
      }
    }
    #expect(Set(refused.keys) == [400, 401, 422])
    #expect(refused.values.reduce(0, +) > 8 * body.count - 100)
    #expect(oracle.agents.isEmpty)
    // The unaltered report is accepted after all that.
    #expect(await oracle.post(body).status == 200)
  }

  @Test("A signature by somebody else is refused, and the journal says by whom")
  func wrongSigner() async throws {
    let (agent, stranger) = (try testKey(1), try testKey(2))
    let oracle = MockOracle()
    let report = try signedReport(by: stranger) {
      $0["agent"] = .string(agent.address.checksummed)
    }
    let reason = "signature recovers to \(stranger.address) but agent says \(agent.address)"
    #expect(
      await oracle.post(report)
        == Answer(
          status: 401,
          body: ["status": "error", "message": .string("Invalid signature: \(reason)")]))
    let entry = try await oracle.journal.next { $0.status == 401 }
    #expect(
      entry.refusal == .wrongSigner(recovered: stranger.address, claimed: agent.address))
    #expect(entry.refusal?.description == reason)
    #expect(entry.agent == agent.address)
  }

  @Test(
    "A signature that is none is refused with 401",
    arguments: [
      "", "0x", "0x1234", "hello", "0x" + String(repeating: "0", count: 130),
      "0x" + String(repeating: "f", count: 130), "0x" + String(repeating: "g", count: 130),
    ])
  func malformedSignature(signature: String) async throws {
    var report = try #require(try signedReport(by: testKey()).objectValue)
    report["signature"] = .string(signature)
    let answer = await MockOracle().post(.object(report))
    #expect(answer.status == 401)
    #expect(answer.message?.hasPrefix("Invalid signature: signature cannot be read: ") == true)
  }

  @Test("A signature without 0x, with high s, or with a wrong v is refused; v of 0 or 1 is taken")
  func signatureForms() async throws {
    let report = try #require(try signedReport(by: testKey()).objectValue)
    let signature = try Signature(hex: try #require(report["signature"]?.stringValue))
    func status(_ hex: String) async -> Int {
      var changed = report
      changed["signature"] = .string(hex)
      return await MockOracle().post(.object(changed)).status
    }
    let highS = signature.r.bigEndianBytes + (Signature.order - signature.s).bigEndianBytes
    #expect(await status(String(signature.hex.dropFirst(2))) == 401)
    #expect(await status(Hex.encode(highS + [27 + 1 - signature.yParity])) == 401)
    #expect(await status(Hex.encode(signature.bytes.dropLast() + [29])) == 401)
    #expect(await status(Hex.encode(signature.bytes.dropLast() + [signature.yParity])) == 200)
  }
}

/// A body that the documented dialect refuses, and exactly what it says.
struct BadBody: Sendable, CustomTestStringConvertible {
  let name: String
  let body: [UInt8]
  let status: Int
  let message: String
  let testDescription: String

  init(_ name: String, _ body: [UInt8], _ status: Int, _ message: String) {
    self.name = name
    self.body = body
    self.status = status
    self.message = message
    testDescription = name
  }

  init(_ name: String, _ text: String, _ status: Int, _ message: String) {
    self.init(name, Array(text.utf8), status, message)
  }

  /// A body with one change to the payload of a vector, or to the body itself.
  private static func changed(
    _ name: String, _ message: String, body change: (inout JSONObject) -> Void
  ) -> BadBody {
    var object = ReportVector.first.documented.objectValue ?? JSONObject()
    change(&object)
    return BadBody(name, JSON.object(object).serialized(), 422, "Validation failed: " + message)
  }

  private static func payload(
    _ name: String, _ message: String, _ change: (inout JSONObject) -> Void
  ) -> BadBody {
    changed(name, message) { body in
      var payload = body["payload"]?.objectValue ?? JSONObject()
      change(&payload)
      body["payload"] = .object(payload)
    }
  }

  private static func proof(
    _ name: String, _ message: String, _ change: (inout JSONObject) -> Void
  ) -> BadBody {
    payload(name, "payload.proofs.0." + message) { payload in
      let agent = payload["agent"]?.stringValue ?? ""
      var proof = validProof(of: agent)
      change(&proof)
      payload["proofs"] = [.object(proof)]
    }
  }

  static let malformed: [BadBody] = [
    .init("empty", "", 400, malformed("the text ends inside a value", at: 0)),
    .init("blank", "  \n", 400, malformed("the text ends inside a value", at: 3)),
    .init("cut off", "{\"payload\":{", 400, malformed("the text ends inside a value", at: 12)),
    .init("single quotes", "{'a':1}", 400, malformed("unexpected '''", at: 1)),
    .init("trailing comma", "{\"a\":1,}", 400, malformed("unexpected '}'", at: 7)),
    .init("NaN", "{\"a\":NaN}", 400, malformed("unexpected 'N'", at: 5)),
    .init("leading zero", "{\"a\":01}", 400, malformed("a number has a leading zero", at: 5)),
    .init("plus sign", "{\"a\":+1}", 400, malformed("unexpected '+'", at: 5)),
    .init("bare point", "{\"a\":1.}", 400, malformed("a digit is missing", at: 7)),
    .init("two values", "{} {}", 400, malformed("something follows the value", at: 3)),
    .init(
      "duplicate key", "{\"a\":1,\"a\":2}", 400,
      malformed("the key \"a\" stands twice in an object", at: 7)),
    .init(
      "lone surrogate", #"{"a":"\ud800"}"#, 400, malformed("a surrogate has no partner", at: 6)),
    .init(
      "control character", "{\"a\":\"\u{01}\"}", 400,
      malformed("byte 0x1 must be escaped in a string", at: 6)),
    .init("no escape", #"{"a":"\x41"}"#, 400, malformed("there is no such escape", at: 7)),
    .init(
      "bytes that are not UTF-8", [0x22, 0xff, 0x22], 400,
      malformed("a string is not UTF-8", at: 1)),
    .init(
      "byte order mark", [0xef, 0xbb, 0xbf, 0x7b, 0x7d], 400,
      malformed("unexpected byte 0xef", at: 0)),
    .init(
      "nested too deep", String(repeating: "[", count: 200), 400,
      malformed("arrays and objects nest deeper than 128", at: 128)),
  ]

  private static func malformed(_ reason: String, at offset: Int) -> String {
    "Malformed JSON: the body is not JSON: invalid JSON at byte \(offset): \(reason)"
  }

  static let invalid: [BadBody] = {
    let integers = ["processed_tokens", "uptime_seconds", "tasks_completed", "timestamp"]
    let names = ["agent", "processed_tokens", "avg_latency_ms"] + integers.dropFirst()
    var bodies: [BadBody] = [
      .init("a number", "5", 422, "Validation failed: body must be an object"),
      .init("an array", "[]", 422, "Validation failed: body must be an object"),
      .init("null", "null", 422, "Validation failed: body must be an object"),
      .init(
        "an empty object", "{}", 422,
        "Validation failed: payload field required; signature field required"),
      changed("no payload", "payload field required") { $0["payload"] = nil },
      changed("a payload that is text", "payload must be an object") { $0["payload"] = "x" },
      changed("a payload that is null", "payload must be an object") { $0["payload"] = .null },
      changed("no signature", "signature field required") { $0["signature"] = nil },
      changed("a signature that is a number", "signature must be a string") {
        $0["signature"] = 5
      },
      changed("a signature that is null", "signature must be a string") {
        $0["signature"] = .null
      },
      payload("an agent that is a number", "payload.agent must be a string") { $0["agent"] = 1 },
      payload("proofs that are an object", "payload.proofs must be an array") {
        $0["proofs"] = [:]
      },
      payload("a proof that is text", "payload.proofs.0 must be an object") {
        $0["proofs"] = ["x"]
      },
    ]
    for text in [
      "", "0x", "0x12", String(repeating: "ab", count: 20),
      "0x" + String(repeating: "g", count: 40),
    ] {
      bodies.append(
        payload(
          "agent \"\(text)\"",
          "payload.agent must be an Ethereum address: 0x and 40 hexadecimal digits"
        ) { $0["agent"] = .string(text) })
    }
    for name in names {
      bodies.append(payload("no \(name)", "payload.\(name) field required") { $0[name] = nil })
    }
    for name in integers {
      let path = "payload.\(name)"
      let cases: [(JSON, String)] = [
        ("600", "must be an integer"), (nil, "must be an integer"), (true, "must be an integer"),
        (number("600.0"), "must be an integer"), (number("6e2"), "must be an integer"),
        (-1, "must be greater than or equal to 0"),
        (number("-9223372036854775809"), "must be greater than or equal to 0"),
        (number("9223372036854775808"), "must be less than or equal to 9223372036854775807"),
      ]
      for (value, message) in cases {
        bodies.append(payload("\(name) \(value)", "\(path) \(message)") { $0[name] = value })
      }
    }
    for (value, message) in [
      ("67.14", "must be a number"), (nil, "must be a number"), ([], "must be a number"),
      (number("-0.01"), "must be greater than or equal to 0"),
      (number("1e999"), "must be a finite number"),
    ] as [(JSON, String)] {
      bodies.append(
        payload("avg_latency_ms \(value)", "payload.avg_latency_ms \(message)") {
          $0["avg_latency_ms"] = value
        })
    }
    return bodies
  }()

  static let proofs: [BadBody] = {
    let hash = "must be a hash: 0x and 64 hexadecimal digits"
    var bodies: [BadBody] = []
    for name in ["modelHash", "inputHash", "outputHash", "agentAddress", "tokenCount", "proofHash"]
    {
      bodies.append(proof("a proof without \(name)", "\(name) field required") { $0[name] = nil })
    }
    for name in ["modelHash", "inputHash", "outputHash", "proofHash"] {
      bodies.append(proof("a proof's short \(name)", "\(name) \(hash)") { $0[name] = "0x12" })
    }
    bodies += [
      proof("a proof of −1 tokens", "tokenCount must be greater than or equal to 0") {
        $0["tokenCount"] = -1
      },
      proof("a proof of half a token", "tokenCount must be an integer") {
        $0["tokenCount"] = number("0.5")
      },
    ]
    return bodies
  }()

  private static func number(_ text: String) -> JSON {
    JSONNumber(text).map(JSON.number) ?? .null
  }
}
