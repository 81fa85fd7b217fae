public import JSONValues

/// How often a fault happens, from when on, and how likely: what the fault rules of oracle, chain and
/// links have in common.
///
/// An occasion is what a fault can happen to: a request, a transaction, a connection. Of the occasions
/// that a rule is meant for, the first ``skip`` pass; each one after that meets the fault with
/// ``probability``, decided by the seed of whatever holds the rule, until ``count`` have met it.
public struct FaultSchedule: Hashable, Sendable {
  /// How many occasions meet the fault, at least 1; nil for all of them.
  public private(set) var count: Int?
  /// How many occasions pass first.
  public private(set) var skip: Int
  /// How likely each occasion meets the fault after that, from 0 to 1.
  public let probability: Double

  /// Makes a schedule; by default the next occasion meets the fault, and no other does.
  public init(count: Int? = 1, skip: Int = 0, probability: Double = 1) {
    precondition(count.map { $0 > 0 } ?? true, "a fault happens at least once")
    precondition(skip >= 0, "a fault lets \(skip) occasions pass")
    precondition((0...1).contains(probability), "\(probability) is no probability")
    self.count = count
    self.skip = skip
    self.probability = probability
  }

  /// Whether no occasion is left that could meet the fault.
  package var isExhausted: Bool { count == 0 }

  /// Takes one occasion, and says whether it meets the fault.
  /// - Parameter draw: Whether something of a probability below 1 happens; asked for occasions that do
  ///   not just pass.
  package mutating func takeOccasion(_ draw: (Double) -> Bool) -> Bool {
    guard !isExhausted else { return false }
    guard skip == 0 else {
      skip -= 1
      return false
    }
    guard probability >= 1 || draw(probability) else { return false }
    count = count.map { $0 - 1 }
    return true
  }
}

/// A schedule as JSON: members of the rule's object.
///
/// `count` is a whole number, 1 when it is missing; null and 0 stand for always. `skip` is a whole
/// number, 0 when it is missing. `probability` is above 0 and up to 1, which it is when it is missing.
extension FaultSchedule {
  /// The names of the members.
  package static let memberNames = ["count", "skip", "probability"]

  /// The names that the oracle's administration had for them before, which it still reads.
  package static let earlierMemberNames = [
    "count": "times", "skip": "after", "probability": "likelihood",
  ]

  /// Reads the schedule of a rule.
  /// - Throws: ``FaultScheduleError`` that names the member which is wrong.
  public init(json rule: JSONObject) throws(FaultScheduleError) {
    let (countName, skipName, probabilityName) = (
      try Self.name("count", in: rule), try Self.name("skip", in: rule),
      try Self.name("probability", in: rule)
    )
    // Before, null alone stood for always.
    let least = countName == "count" ? 0 : 1
    let count = rule[countName] == .null ? 0 : try Self.integer(rule, countName, least, orElse: 1)
    let skip = try Self.integer(rule, skipName, 0, orElse: 0)
    var probability = 1.0
    if let value = rule[probabilityName] {
      guard let number = value.doubleValue, number.isFinite else {
        throw FaultScheduleError(probabilityName, "must be a number")
      }
      guard number > 0, number <= 1 else {
        throw FaultScheduleError(probabilityName, "must be above 0 and up to 1")
      }
      probability = number
    }
    self.init(count: count == 0 ? nil : count, skip: skip, probability: probability)
  }

  /// The members of the schedule, each one said.
  public var json: JSONObject {
    [
      "count": count.map { .integer($0) } ?? .null, "skip": .integer(skip),
      "probability": .number(JSONNumber(javaScript: probability)),
    ]
  }

  /// Which of its two names a member has in a rule.
  private static func name(
    _ name: String, in rule: JSONObject
  ) throws(FaultScheduleError) -> String {
    guard let earlier = earlierMemberNames[name], rule[earlier] != nil else { return name }
    guard rule[name] == nil else {
      throw FaultScheduleError(earlier, "is another name of \(name): give one of them")
    }
    return earlier
  }

  private static func integer(
    _ rule: JSONObject, _ name: String, _ least: Int, orElse usual: Int
  ) throws(FaultScheduleError) -> Int {
    guard let value = rule[name] else { return usual }
    guard let number = value.integerValue.flatMap({ Int(exactly: $0) }), number >= least else {
      throw FaultScheduleError(name, "must be a whole number from \(least) to \(Int.max)")
    }
    return number
  }
}

/// Why the members of a schedule are none.
public struct FaultScheduleError: Error, Sendable, Hashable, CustomStringConvertible {
  /// The member that is wrong.
  public let member: String
  /// What is wrong with it.
  public let reason: String

  package init(_ member: String, _ reason: String) {
    self.member = member
    self.reason = reason
  }

  /// One line: what is wrong.
  public var description: String { "\(member) \(reason)" }
}
