public import EthereumPrimitives
public import MockServing
public import PlumiseWire

/// A fault as it is ordered in JSON: what goes wrong, and with which requests.
///
/// `{"fault":"status","status":503,"count":3,"skip":1,"probability":0.5,"route":"/api/v1/report",
/// "agent":"0x…"}`. `count`, `skip` and `probability` are those of `FaultSchedule`; durations are
/// `milliseconds`. `times`, `after`, `likelihood` and `seconds`, the names before, are read as well.
///
/// An order says everything that its fault needs, and nothing that its fault has no use for: what is
/// left out is not guessed.
public struct FaultOrder: Sendable {
  /// What goes wrong.
  public let fault: Fault
  /// How many requests it meets, from which one on, and how likely.
  public let schedule: FaultSchedule
  /// The path that it is meant for; nil for any.
  public let route: String?
  /// The agent that it is meant for; nil for any.
  public let agent: Address?
  private let json: JSONObject

  /// Reads an order.
  /// - Throws: ``FaultOrderError`` that names the member which is wrong.
  public init(json: JSON) throws(FaultOrderError) {
    guard let object = json.objectValue else { throw .init("the order", "must be an object") }
    self.json = object
    let known = Self.common + Self.details
    if let unknown = object.keys.first(where: {
      !known.contains($0) && Self.earlierNames[$0] == nil
    }) {
      throw .init(unknown, "is unknown; known are \(known.joined(separator: ", "))")
    }
    let kind = try Self.kind(object)
    do { schedule = try FaultSchedule(json: object) } catch {
      throw .init(error.member, error.reason)
    }
    route = try Self.text(object, "route")
    if let text = try Self.text(object, "agent") {
      do { agent = try Address(text) } catch { throw .init("agent", "\(error)") }
    } else {
      agent = nil
    }
    fault = try Self.fault(kind, object)
  }

  /// Whether a request is one that the fault is meant for.
  public func accepts(_ request: WebRequest) -> Bool {
    if let route, request.path != route { return false }
    guard let agent else { return true }
    return request.namedAgent == agent
  }

  /// Adds the fault to a script.
  /// - Returns: its number there.
  public func add(to script: FaultScript) -> Int { script.add(rule) }

  /// The fault with the requests that it is meant for.
  public var rule: FaultRule {
    var rule = FaultRule(fault, schedule) { accepts($0) }
    // The schedule is listed by what is left of it, under its present names.
    var order: JSONObject = [:]
    for member in json.members where !Self.scheduleNames.contains(member.key) {
      order[member.key] = member.value
    }
    rule.order = order
    return rule
  }

  private static let scheduleNames =
    FaultSchedule.memberNames + FaultSchedule.earlierMemberNames.values

  /// What goes wrong, by name.
  private enum Kind: String, CaseIterable {
    case delay
    case noAnswer = "no-answer"
    case resetBefore = "reset-before"
    case resetAfterHandling = "reset-after-handling"
    case resetAmid = "reset-amid"
    case resetAfter = "reset-after"
    case malformedJSON = "malformed-json"
    case wrongContentType = "wrong-content-type"
    case slowBody = "slow-body"
    case status
    case tooManyRequests = "too-many-requests"
    case errorInside = "error-inside"

    /// The members that an order must have for it.
    var needed: [String] {
      switch self {
      case .delay, .slowBody: ["milliseconds"]
      case .resetAmid: ["bytes"]
      case .status: ["status"]
      case .tooManyRequests: ["retry_after"]
      case .noAnswer, .resetBefore, .resetAfterHandling, .resetAfter, .malformedJSON,
        .wrongContentType, .errorInside:
        []
      }
    }

    /// The members that an order may have for it.
    var allowed: [String] { self == .slowBody ? needed + ["bytes"] : needed }
  }

  /// The members of any order.
  private static let common =
    ["fault"] + FaultSchedule.memberNames + ["route", "agent"]
  /// The members that only some faults have a use for.
  private static let details = ["status", "milliseconds", "bytes", "retry_after"]
  /// The names that members had before, and have now.
  private static let earlierNames = ["seconds": "milliseconds"].merging(
    FaultSchedule.earlierMemberNames.map { ($0.value, $0.key) }, uniquingKeysWith: { $1 })

  private static func kind(_ object: JSONObject) throws(FaultOrderError) -> Kind {
    guard let kind = object["fault"]?.stringValue.flatMap(Kind.init) else {
      let names = Kind.allCases.map(\.rawValue).joined(separator: ", ")
      throw .init("fault", "must be one of \(names)")
    }
    return kind
  }

  private static func fault(_ kind: Kind, _ object: JSONObject) throws(FaultOrderError) -> Fault {
    /// The present name of a member.
    func present(_ name: String) -> String { earlierNames[name] ?? name }
    if let useless = object.keys.first(where: {
      details.contains(present($0)) && !kind.allowed.contains(present($0))
    }) {
      throw .init(useless, "has no meaning for the fault \(kind.rawValue)")
    }
    let said = Set(object.keys.map(present))
    if let missing = kind.needed.first(where: { !said.contains($0) }) {
      throw .init(missing, "is missing: the fault \(kind.rawValue) needs it")
    }
    func pause() throws(FaultOrderError) -> Duration {
      let name = object["seconds"] == nil ? "milliseconds" : "seconds"
      let most = name == "seconds" ? 86_400 : 86_400_000.0
      if name == "seconds", object["milliseconds"] != nil {
        throw .init(name, "is another name of milliseconds: give one of them")
      }
      let number = try number(object, name, orElse: 0)
      guard number >= 0, number <= most else { throw .init(name, "must be 0 to \(Int(most))") }
      return .seconds(name == "seconds" ? number : number / 1000)
    }
    func bytes() throws(FaultOrderError) -> Int {
      try integer(object, "bytes", 1...(1 << 20), orElse: 1)
    }
    return switch kind {
    case .delay: .delay(try pause())
    case .noAnswer: .neverAnswer
    case .resetBefore: .drop(.beforeHandling, .reset)
    case .resetAfterHandling: .drop(.beforeAnswer, .reset)
    case .resetAmid: .drop(.midBody(after: try bytes()), .reset)
    case .resetAfter: .drop(.afterAnswer, .reset)
    case .malformedJSON: .malformedJSON
    case .wrongContentType: .wrongContentType
    case .slowBody: .slowBody(.init(bytes: try bytes(), pause: try pause()))
    case .status: .status(try integer(object, "status", 200...599, orElse: 500))
    case .tooManyRequests:
      .tooManyRequests(retryAfter: try integer(object, "retry_after", 0...86_400, orElse: 1))
    case .errorInside: .errorInside
    }
  }

  private static func integer(
    _ object: JSONObject, _ name: String, _ range: ClosedRange<Int>, orElse usual: Int
  ) throws(FaultOrderError) -> Int {
    guard let value = object[name] else { return usual }
    guard let number = value.integerValue.flatMap(Int.init(exactly:)), range.contains(number)
    else {
      throw .init(name, "must be a whole number from \(range.lowerBound) to \(range.upperBound)")
    }
    return number
  }

  private static func number(
    _ object: JSONObject, _ name: String, orElse usual: Double
  ) throws(FaultOrderError) -> Double {
    guard let value = object[name] else { return usual }
    guard let number = value.doubleValue, number.isFinite else {
      throw .init(name, "must be a number")
    }
    return number
  }

  private static func text(
    _ object: JSONObject, _ name: String
  ) throws(FaultOrderError) -> String? {
    guard let value = object[name] else { return nil }
    guard let text = value.stringValue else { throw .init(name, "must be a string") }
    return text
  }
}

/// Why an order for a fault is none.
public struct FaultOrderError: Error, Sendable, Hashable, CustomStringConvertible {
  /// The member that is wrong.
  public let member: String
  /// What is wrong with it.
  public let reason: String

  init(_ member: String, _ reason: String) {
    self.member = member
    self.reason = reason
  }

  /// One line: what is wrong.
  public var description: String { "\(member) \(reason)" }
}
