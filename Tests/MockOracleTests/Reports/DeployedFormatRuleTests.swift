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

  @Test(
    "An endpoint is a URL exactly where scheme, host, port and path are those of one",
    arguments: [
      ("endpoint", NodeRegistration.path), ("grpcEndpoint", PipelineRegistration.path),
      ("httpEndpoint", PipelineRegistration.path),
    ])
  func urls(name: String, path: String) async throws {
    let time = TestTime(1_770_200_000)
    let oracle = MockOracle.deployed(at: time)
    let key = try testKey()
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
      let suffix = pick(["", "", "/", "/a/b", "/a b", "/a<b", "?q=1", "#f"], &random)
      let credentials = pick(["", "", "u@", "u:p@", ":p@"], &random)
      let text = scheme + credentials + host + port + suffix
      time.seconds += 1
      var message = try DeployedMessage(to: path, by: key, at: time.seconds)
      message.object[name] = .string(text)
      message.sign()
      let expected = isURL(scheme: scheme, host: host, port: port, path: suffix)
      let answer = await oracle.post(message.body, to: path)
      #expect(
        answer.messages ?? [] == (expected ? [] : ["\(name) must be a URL address"]), "\(text)")
      #expect(answer.status == (expected ? 201 : 400), "\(text)")
      if expected { passed += 1 } else { refused += 1 }
    }
    #expect(passed > 60 && refused > 100)
  }

  @Test("A member of a pipeline is refused exactly where its two endpoints are one text")
  func separateEndpoints() async throws {
    let time = TestTime(1_770_200_000)
    let oracle = MockOracle.deployed(at: time)
    var random = SeededGenerator(seed: 15)
    let urls = ["http://a.io", "http://a.io/", "http://A.io", "http://a.io:80", "https://a.io"]
    var equal = 0
    for _ in 0..<200 {
      time.seconds += 1
      var message = try DeployedMessage(
        to: PipelineRegistration.path, by: testKey(), at: time.seconds)
      let (grpc, http) = (pick(urls, &random), pick(urls, &random))
      message.object["grpcEndpoint"] = .string(grpc)
      message.object["httpEndpoint"] = .string(http)
      message.sign()
      let answer = await oracle.post(message.body, to: message.path)
      let refusal: JSON = [
        "statusCode": 400,
        "message": "Pipeline nodes must have separate gRPC and HTTP endpoints",
      ]
      if grpc == http {
        equal += 1
        #expect(answer == Answer(status: 400, body: refusal), "\(grpc)")
      } else {
        #expect(answer.status == 201, "\(grpc) \(http): \(answer)")
      }
    }
    #expect(equal > 20 && equal < 180)
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
}
