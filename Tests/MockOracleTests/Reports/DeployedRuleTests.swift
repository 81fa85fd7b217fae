import AsyncPrimitives
import Foundation
import MockOracle
import PlumiseWire
import TestSupport
import Testing

/// Each rule of the deployed dialect's validation on values of any kind, beside the rule as it is
/// defined.
@Suite("Rules of the deployed validation", .timeLimit(.minutes(5))) struct DeployedRuleTests {
  /// What a rule says of a value.
  typealias Rule = @Sendable (_ value: JSON?, _ name: String) -> [String]

  /// A member of a message, and its rule.
  struct Field: Sendable, CustomTestStringConvertible {
    let name: String
    let path: String
    let rule: Rule
    let isOptional: Bool
    var testDescription: String { "\(name) of \(path)" }

    init(_ name: String, _ path: String, optional: Bool = false, _ rule: @escaping Rule) {
      (self.name, self.path, self.rule, isOptional) = (name, path, rule, optional)
    }
  }

  static let ruledFields: [Field] = {
    let (report, node) = (ReportDialect.deployed.path, NodeRegistration.path)
    let (pipeline, ready) = (PipelineRegistration.path, PipelineReady.path)
    return [
      Field("wallet", report, address), Field("signature", report, string),
      Field("address", node, address), Field("capabilities", node, strings),
      Field("signature", node, string), Field("lanIp", node, optional: true, string),
      Field("benchmarkTokPerSec", node, optional: true, number),
      Field("canDistribute", node, optional: true) { _, _ in [] },
      Field("address", pipeline, address), Field("model", pipeline, string),
      Field("device", pipeline, string), Field("ramMb", pipeline, number),
      Field("vramMb", pipeline, number), Field("timestamp", pipeline, number),
      Field("benchmarkTokPerSec", pipeline, optional: true, number),
      Field("address", ready, address), Field("model", ready, string),
      Field("timestamp", ready, number), Field("timestamp", node, number),
    ]
      + ["tokensProcessed", "avgLatencyMs", "requestCount", "uptimeSeconds", "timestamp"].map {
        Field($0, report, number)
      }
  }()

  private static let number: Rule = { value, name in
    let number = value?.doubleValue
    let below = "\(name) must not be less than 0"
    let none = "\(name) must be a number conforming to the specified constraints"
    guard let number else { return [below, none] }
    return (number < 0 ? [below] : []) + (number.isFinite ? [] : [none])
  }

  private static let string: Rule = { value, name in
    if case .string = value { [] } else { ["\(name) must be a string"] }
  }

  private static let strings: Rule = { value, name in
    let each = "each value in \(name) must be a string"
    return switch value {
    case .array(let elements):
      elements.contains { $0.stringValue == nil } ? [each] : []
    case .string: ["\(name) must be an array"]
    default: [each, "\(name) must be an array"]
    }
  }

  private static let address: Rule = { value, name in
    let isAddress =
      value?.stringValue?.range(
        of: "^0[xX][0-9a-fA-F]{40}$", options: .regularExpression) != nil
    return isAddress ? [] : ["\(name) must be an Ethereum address"]
  }

  /// A value of any kind, often one that nearly fits.
  private func value(_ random: inout SeededGenerator) -> JSON? {
    let digits = String(
      (0..<Int.random(in: 39...41, using: &random)).map { _ in
        "0123456789abcdefABCDEFg".randomElement(using: &random) ?? "0"
      })
    let texts = [
      "", " ", "x", "5", "0x", "0x" + digits, "0X" + digits.replacing("g", with: "0"),
      "0x" + String(repeating: "aB", count: 20),
    ]
    let numbers = ["0", "-0", "1", "-1", "2.5", "-1e-9", "1e999", "-1e999", "9007199254740993"]
    let text = JSON.string(texts.randomElement(using: &random) ?? "")
    let number = JSONNumber(numbers.randomElement(using: &random) ?? "0").map(JSON.number) ?? .null
    let scalars: [JSON] = [text, text, number, number, nil, true, false]
    switch Int.random(in: 0..<10, using: &random) {
    case 0: return nil
    case 1: return .object(["a": number])
    case 2: return []
    case 3: return .array([text, text])
    case 4: return .array([text, scalars.randomElement(using: &random) ?? nil])
    default: return scalars.randomElement(using: &random) ?? nil
    }
  }

  @Test(
    "A field is refused exactly where its rule is broken, in its words; else what it says decides",
    arguments: ruledFields)
  func fields(field: Field) async throws {
    let time = TestTime(1_770_200_000)
    let oracle = MockOracle.deployed(at: time)
    let key = try testKey()
    var random = SeededGenerator(seed: 7)
    var (refused, passed) = (0, 0)
    if field.path == PipelineReady.path {
      let member = pipelineRegistration(by: key, model: "x", timestamp: time.seconds)
      try #require(await oracle.post(member, to: PipelineRegistration.path).status == 201)
    }
    for _ in 0..<300 {
      time.seconds += 1
      var message = try DeployedMessage(to: field.path, by: key, at: time.seconds, model: "x")
      let value = value(&random)
      message.object[field.name] = value
      if field.name != "signature" { message.sign() }
      let isLeftOut = field.isOptional && (value ?? .null).isNull
      let expected = isLeftOut ? [] : field.rule(value, field.name)
      let answer = await oracle.post(message.body, to: field.path)
      let said = answer.messages ?? []
      #expect(said == expected, "\(field.name) = \(value ?? .null)")
      let outcome: Outcome =
        expected.isEmpty ? isLeftOut ? .accepted : field.outcome(of: value) : .invalid
      #expect(
        answer.status == outcome.status(field.path), "\(field.name) = \(value ?? .null): \(answer)")
      #expect(outcome == .invalid || answer.message == outcome.message(field.path), "\(answer)")
      if expected.isEmpty { passed += 1 } else { refused += 1 }
    }
    // Values on both sides of the rule were there.
    #expect(passed > 0 && (refused > 0 || field.name == "canDistribute"))
  }
}

/// What becomes of a message whose one drawn member passes validation; the signature is of what it says.
private enum Outcome: Equatable {
  case accepted, invalid, badSignature, replay, unknownNode, tooManyTokens, unstorable

  func status(_ path: String) -> Int {
    switch self {
    case .accepted: 201
    // The pipeline has one status for all that it refuses.
    case .badSignature: path.hasPrefix("/api/v1/pipeline") ? 400 : 401
    default: 400
    }
  }

  func message(_ path: String) -> String? {
    switch self {
    case .accepted:
      switch path {
      case NodeRegistration.path: "Node registered successfully"
      case PipelineRegistration.path: "Pipeline node registered successfully"
      case PipelineReady.path: "Pipeline node marked as ready"
      default: "Metrics recorded successfully"
      }
    case .invalid: nil
    case .badSignature: "Invalid signature"
    case .replay: "Replay detected: timestamp must be strictly increasing"
    case .unknownNode: "Pipeline node not found"
    case .tooManyTokens: "Token count exceeds maximum allowed"
    case .unstorable: "Internal server error"
    }
  }
}

extension DeployedRuleTests.Field {
  /// What a value brings that its rule does not refuse.
  fileprivate func outcome(of value: JSON?) -> Outcome {
    let number = value?.doubleValue ?? 0
    switch name {
    // Nobody else's signature is the key's, and no drawn text is a signature.
    case "address", "wallet", "signature": return .badSignature
    // No drawn number lies within a minute of now; the pipeline looks for a replay first.
    case "timestamp":
      return path.hasPrefix("/api/v1/pipeline") && number <= 0 ? .replay : .badSignature
    // Tokens become a BigInt, which has no fraction; other counts are rounded to 32 bits.
    case "tokensProcessed":
      return number > 1e9 ? .tooManyTokens : number == number.rounded() ? .accepted : .unstorable
    case "requestCount", "uptimeSeconds": return number < 2_147_483_647.5 ? .accepted : .unstorable
    case "model" where path == PipelineReady.path:
      return value == "x" ? .accepted : .unknownNode
    default: return .accepted
    }
  }
}
