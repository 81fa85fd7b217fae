import PlumiseWire
import Testing

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
