import AsyncPrimitives
import EthereumPrimitives
import Foundation
import MockOracle
import PlumiseWire
import TestSupport
import Testing

/// The rules of URLs, hashes, enums and proofs on random texts, beside each rule as it is defined.
@Suite("Formats of the deployed validation", .timeLimit(.minutes(5)))
struct DeployedFormatRuleTests {
  private func matches(_ text: String, _ pattern: String) -> Bool {
    text.range(of: pattern, options: .regularExpression) != nil
  }

  private func pick(_ texts: [String], _ random: inout SeededGenerator) -> String {
    texts.randomElement(using: &random) ?? ""
  }

  // MARK: - URLs

  /// A host: four numbers, or labels with a top-level domain, now and then wrong.
  private func host(_ random: inout SeededGenerator) -> String {
    if Bool.random(using: &random) {
      return (0..<(Int.random(in: 0..<8, using: &random) == 0 ? 3 : 4))
        .map { _ in String(Int.random(in: 0...265, using: &random)) }.joined(separator: ".")
    }
    let labels = (0..<Int.random(in: 0...2, using: &random)).map { _ in
      pick(
        [
          "a", "b", "node-1", "x1", "y2", "-a", "a-", "a_b", "x9",
          String(repeating: "a", count: 64),
        ], &random)
    }
    return (labels + [pick(["org", "io", "net", "xn--p1ai", "c", "b1", "xn--p1ai"], &random)])
      .joined(separator: ".")
  }

  /// A URL as validator.js defines it for the parts that are drawn here: scheme, credentials, an IPv4
  /// address or a name with a top-level domain, a port from 1 to 65535, no blank and no bracket.
  private func isURL(
    scheme: String, host: String, port: String, path: String
  ) -> Bool {
    let octet = "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
    let label = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
    let isHost =
      matches(host, "^\(octet)\\.\(octet)\\.\(octet)\\.\(octet)$")
      || matches(host, "^(\(label)\\.)+([a-z]{2,63}|xn[a-z0-9-]{2,60})$")
    let isPort =
      port.isEmpty || port == ":"
      || matches(port, "^:[0-9]+$") && (1...65_535).contains(Int(port.dropFirst()) ?? 0)
    return ["http://", "https://", "ftp://"].contains(scheme) && isHost && isPort
      && !matches(path, "[\\s<>]")
  }

  @Test("An endpoint is a URL exactly where scheme, host, port and path are those of one")
  func urls() async throws {
    let oracle = MockOracle.deployed()
    var object = try #require(nodeRegistration(by: try testKey()).objectValue)
    var random = SeededGenerator(seed: 11)
    var (refused, passed) = (0, 0)
    for _ in 0..<1500 {
      let scheme = pick(["http://", "http://", "https://", "ftp://", "grpc://", "ws://"], &random)
      let host = host(&random)
      let port = pick(
        [
          "", "", "", ":81", ":443", ":", ":80", ":00080", ":65535", ":65536", ":0", ":x",
          ":123456",
        ], &random)
      let path = pick(["", "", "/", "/a/b", "/a b", "/a<b", "?q=1", "#f"], &random)
      let credentials = pick(["", "", "u@", "u:p@", ":p@"], &random)
      let text = scheme + credentials + host + port + path
      object["endpoint"] = .string(text)
      let expected = isURL(scheme: scheme, host: host, port: port, path: path)
      let answer = await oracle.post(.object(object), to: NodeRegistration.path)
      let said = answer.messages?.contains("endpoint must be a URL address") == true
      #expect(said != expected, "\(text)")
      if expected { passed += 1 } else { refused += 1 }
    }
    #expect(passed > 60 && refused > 100)
  }

  // MARK: - Hashes and proofs

  private func hash(_ random: inout SeededGenerator) -> String {
    let count = pick(["64", "64", "66", "63", "65"], &random)
    let digits = (0..<(Int(count) ?? 64)).map { _ in
      "0123456789abcdefABCDEF".randomElement(using: &random) ?? "0"
    }
    let mistake = Int.random(in: 0..<8, using: &random) == 0 ? "g" : ""
    return pick(["0x", "0x", "0X", "0h", "0H", "", "0y"], &random) + mistake + String(digits)
  }

  @Test("A proof's hash is refused exactly where it is not 66 hexadecimal characters")
  func hashes() async throws {
    let oracle = MockOracle.deployed()
    var random = SeededGenerator(seed: 12)
    let good = "0x" + String(repeating: "a", count: 64)
    var (refused, passed) = (0, 0)
    for _ in 0..<600 {
      let text = hash(&random)
      let name = "proofs.0.inputHash"
      var expected: [String] = []
      if text.count < 66 {
        expected.append("\(name) must be longer than or equal to 66 characters")
      }
      if text.count > 66 {
        expected.append("\(name) must be shorter than or equal to 66 characters")
      }
      if !matches(text, "^(0x|0X|0h|0H)?[0-9a-fA-F]+$") {
        expected.append("\(name) must be a hexadecimal number")
      }
      let proof: JSON = [
        "modelHash": .string(good), "inputHash": .string(text), "outputHash": .string(good),
        "tokenCount": 1,
      ]
      // A signature by nobody: the form is looked at first.
      let report = try deployedReport(by: testKey()) {
        $0["proofs"] = [proof]
        $0["signature"] = "0x"
      }
      let answer = await oracle.post(report, to: ReportDialect.deployed.path)
      #expect(answer.messages ?? [] == expected, "\(text)")
      if expected.isEmpty { passed += 1 } else { refused += 1 }
    }
    #expect(passed > 50 && refused > 50)
  }

  @Test("A proof is verified exactly where its tokens and its three hashes are as they must be")
  func verification() async throws {
    let oracle = MockOracle.deployed()
    let key = try testKey()
    var random = SeededGenerator(seed: 13)
    // Few values, so that they often coincide; the last two are no hashes of 32 bytes.
    let texts =
      ["a", "b", "c"].map { "0x" + String(repeating: $0, count: 64) } + [
        String(repeating: "d", count: 66), "0h" + String(repeating: "e", count: 64),
      ]
    var expected: [Bool] = []
    let proofs = (0..<250).map { _ in
      let (model, input, output) = (
        pick(texts, &random), pick(texts, &random), pick(texts, &random)
      )
      let tokens = pick(["1", "599", "600", "601", "5000"], &random)
      expected.append(
        (Int(tokens) ?? 0) <= 600
          && [model, input, output].allSatisfy { matches($0, "^0x[0-9a-fA-F]{64}$") }
          && input != output && model != input)
      return [
        "modelHash": .string(model), "inputHash": .string(input), "outputHash": .string(output),
        "tokenCount": .integer(Int(tokens) ?? 0),
      ] as JSON
    }
    let report = try deployedReport(by: key, tokens: 600) { $0["proofs"] = .array(proofs) }
    #expect(await oracle.post(report, to: ReportDialect.deployed.path).status == 201)
    let read = await oracle.get("/api/v1/proofs/\(key.address)?limit=1000").body?["proofs"]
    // Newest first.
    let verified = read?.arrayValue?.reversed().map { $0["verified"] == true }
    #expect(verified == expected)
    #expect(expected.contains(true) && expected.contains(false))
    let statistics = await oracle.get("/api/v1/proofs/\(key.address)/stats").body
    #expect(statistics?["verifiedProofs"] == .integer(expected.count { $0 }))
  }

  // MARK: - Models

  @Test("A model's fields are refused exactly where their rules are broken")
  func models() async throws {
    let oracle = MockOracle.deployed()
    var random = SeededGenerator(seed: 14)
    let values: [JSON?] = [
      nil, .null, "", "m", "dense", "moe", "active", "disabled", "Dense", 0, 1, -1,
      .number(JSONNumber(javaScript: 0.5)), true, [],
      ["dense"], [:],
    ]
    func filled(_ value: JSON?, _ name: String) -> [String] {
      let isEmpty = (value ?? .null).isNull || value == ""
      return (isEmpty ? ["\(name) should not be empty"] : [])
        + (value?.stringValue == nil ? ["\(name) must be a string"] : [])
    }
    func least(_ least: Double, _ value: JSON?, _ name: String) -> [String] {
      guard let number = value?.doubleValue else {
        return [
          "\(name) must not be less than \(Int(least))",
          "\(name) must be a number conforming to the specified constraints",
        ]
      }
      return number < least ? ["\(name) must not be less than \(Int(least))"] : []
    }
    func oneOf(_ cases: [String], _ value: JSON?, _ name: String) -> [String] {
      cases.contains { value == .string($0) }
        ? [] : ["\(name) must be one of the following values: "]
    }
    var refused = 0
    for _ in 0..<500 {
      var object = JSONObject()
      var drawn: [String: JSON?] = [:]
      for name in [
        "modelId", "displayName", "activeParams", "arch", "totalLayers", "status",
      ] {
        let value = values.randomElement(using: &random) ?? nil
        drawn[name] = value
        if let value { object[name] = value }
      }
      object["totalParams"] = 9
      object["minMemoryMb"] = 9
      func value(_ name: String) -> JSON? { drawn[name] ?? nil }
      let status = value("status")
      let expected =
        filled(value("modelId"), "modelId") + filled(value("displayName"), "displayName")
        + least(0, value("activeParams"), "activeParams")
        + oneOf(["dense", "moe"], value("arch"), "arch")
        + least(1, value("totalLayers"), "totalLayers")
        + ((status ?? .null).isNull
          ? [] : oneOf(["active", "deprecated", "disabled"], status, "status"))
      let answer = await oracle.post(.object(object), to: "/api/models")
      #expect(answer.messages ?? [] == expected, "\(JSON.object(object))")
      if !expected.isEmpty { refused += 1 }
    }
    #expect(refused > 100)
  }
}
