import AsyncPrimitives
import MockOracle
import PlumiseWire
import TestSupport
import Testing

/// The rules of a report's proofs on values of any shape, beside the rules as they are defined: of a
/// proof's members, and of what stands in the place of the list, a proof, or a list among the proofs.
@Suite("Rules of nested proofs", .timeLimit(.minutes(5))) struct DeployedProofRuleTests {
  private static let digits = String(repeating: "aB", count: 32)

  private func pick(_ values: [JSON?], _ random: inout SeededGenerator) -> JSON? {
    values.randomElement(using: &random) ?? nil
  }

  // MARK: - Values

  private func number(_ text: String) -> JSON { JSONNumber(text).map(JSON.number) ?? .null }

  /// A proof, in which now and then a member is wrong, missing or unknown.
  private func proof(_ random: inout SeededGenerator) -> JSON {
    let good = JSON.string("0x" + Self.digits)
    let wrong: [JSON?] = [
      nil, .null, "", "0x12", .string(Self.digits), .string("0X" + Self.digits),
      .string("zz" + Self.digits), .string("0x" + Self.digits + "00"), 0, 5, false, true, [], [:],
      .array(Array(repeating: 1, count: 66)), .array(Array(repeating: 1, count: 67)),
    ]
    let counts: [JSON?] = [
      nil, .null, "1", 0, -1, number("0.5"), number("1.5"), number("1e999"), number("-1e999"),
      number("9007199254740993"), true, [],
    ]
    var object = JSONObject()
    func isWrong() -> Bool { Int.random(in: 0..<6, using: &random) == 0 }
    for name in ["modelHash", "inputHash", "outputHash"] {
      if let value = isWrong() ? pick(wrong, &random) : good { object[name] = value }
    }
    if let value = isWrong() ? pick(counts, &random) : 3 { object["tokenCount"] = value }
    for name in ["b", "10", "agentAddress", "2"] where isWrong() && isWrong() { object[name] = 1 }
    return .object(object)
  }

  /// An element of a list: mostly a proof, now and then a list or what is neither.
  private func element(_ depth: Int, _ random: inout SeededGenerator) -> JSON {
    switch Int.random(in: 0..<8, using: &random) {
    case 0 where depth < 3: list(depth + 1, &random)
    case 1: pick([5, .null, "x", true], &random) ?? .null
    default: proof(&random)
    }
  }

  private func list(_ depth: Int, _ random: inout SeededGenerator) -> JSON {
    let count = Int.random(in: 0...3, using: &random)
    return .array((0..<count).map { _ in element(depth, &random) })
  }

  // MARK: - Rules

  private func hash(_ value: JSON?, _ name: String) -> [String] {
    let (short, long) = (
      "\(name) must be longer than or equal to 66 characters",
      "\(name) must be shorter than or equal to 66 characters"
    )
    let between =
      "\(name) must be longer than or equal to 66 and shorter than or equal to 66 characters"
    // validator.js's isLength looks at `length`, of texts alone; the message goes by the value's own.
    let length: [String] =
      switch value {
      case nil, .null, .bool(false): [short]
      case .string(let text): text.count < 66 ? [short] : text.count > 66 ? [long] : []
      case .array(let elements):
        [elements.count < 66 ? short : elements.count > 66 ? long : between]
      case .number(let number): [number.double == 0 ? short : between]
      case .bool(true), .object: [between]
      }
    let text = value?.stringValue
    var digits = text.map { Array($0.utf8) } ?? []
    if ["0x", "0X", "0h", "0H"].contains(where: { text?.hasPrefix($0) == true }) {
      digits.removeFirst(2)
    }
    let isHexadecimal =
      !digits.isEmpty && digits.allSatisfy { "0123456789abcdefABCDEF".utf8.contains($0) }
    return length + (isHexadecimal ? [] : ["\(name) must be a hexadecimal number"])
      + (text == nil ? ["\(name) must be a string"] : [])
  }

  private func count(_ value: JSON?) -> [String] {
    let (below, none) = (
      "tokenCount must not be less than 1",
      "tokenCount must be a number conforming to the specified constraints"
    )
    guard let number = value?.doubleValue else { return [below, none] }
    return (number < 1 ? [below] : []) + (number.isFinite ? [] : [none])
  }

  private func messages(of proof: JSONObject) -> [String] {
    let known = ["modelHash", "inputHash", "outputHash", "tokenCount"]
    let unknown = proof.members.map(\.key).filter { !known.contains($0) }
    // JavaScript goes through names that are numbers first, by size.
    let ordered =
      unknown.compactMap { Int($0) }.sorted().map { String($0) }
      + unknown.filter { Int($0) == nil }
    return ordered.map { "property \($0) should not exist" }
      + known.prefix(3).flatMap { hash(proof[$0], $0) } + count(proof["tokenCount"])
  }

  private let noObject =
    "each value in nested property proofs must be either object or array"

  private func messages(of list: [JSON], at path: String) -> [String] {
    list.enumerated().flatMap { index, element in
      switch element {
      case .object(let proof): messages(of: proof).map { "\(path).\(index).\($0)" }
      case .array(let inner): messages(of: inner, at: "\(path).\(index)")
      default: ["\(path).\(noObject)"]
      }
    }
  }

  private func messages(of value: JSON?) -> [String] {
    switch value {
    case nil, .null: return []
    case .array(let list): return messages(of: list, at: "proofs")
    case .object(let proof):
      // One that stands in the place of the list is looked at, and lacks the list.
      let inside = messages(of: proof).map { "proofs.\($0)" }
      return inside.isEmpty ? ["proofs must be an array"] : inside
    default: return ["proofs must be an array", noObject]
    }
  }

  // MARK: - Test

  @Test("Proofs are refused exactly where a rule is broken, at the place where it is")
  func proofs() async throws {
    let time = TestTime(1_770_200_000)
    let oracle = MockOracle.deployed(at: time)
    let key = try testKey()
    var random = SeededGenerator(seed: 18)
    var (refused, passed, nested) = (0, 0, 0)
    for _ in 0..<3000 {
      time.seconds += 1
      var message = try DeployedMessage(to: ReportDialect.deployed.path, by: key, at: time.seconds)
      let value: JSON? =
        switch Int.random(in: 0..<12, using: &random) {
        case 0: pick([nil, .null, 5, "x", true, false], &random)
        case 1: proof(&random)
        default: list(0, &random)
        }
      message.object["proofs"] = value
      let expected = messages(of: value)
      let answer = await oracle.post(message.body, to: message.path)
      #expect(answer.messages ?? [] == expected, "\(value ?? .null)")
      #expect(answer.status == (expected.isEmpty ? 201 : 400), "\(value ?? .null): \(answer)")
      if expected.isEmpty { passed += 1 } else { refused += 1 }
      if expected.contains(where: { $0.hasPrefix("proofs.0.0.") }) { nested += 1 }
    }
    #expect(passed > 200 && refused > 1000 && nested > 20, "\(passed) \(refused) \(nested)")
  }
}
