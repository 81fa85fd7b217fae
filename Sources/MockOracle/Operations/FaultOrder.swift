public import EthereumPrimitives
public import MockServing
public import PlumiseWire

/// A fault as it is ordered in JSON: what goes wrong, and with which requests.
///
/// `{"fault":"status","status":503,"times":3,"after":1,"likelihood":0.5,"route":"/api/v1/report",
/// "agent":"0x…"}`. Where `times` is null the fault stays; without it, it is met once.
///
/// An order says everything that its fault needs, and nothing that its fault has no use for: what is
/// left out is not guessed.
public struct FaultOrder: Sendable {
  /// What goes wrong.
  public let fault: Fault
  /// How many requests it meets; nil for all.
  public let times: Int?
  /// How many it lets pass first.
  public let passes: Int
  /// How likely it meets each of them after that.
  public let likelihood: Double
  /// The path that it is meant for; nil for any.
  public let route: String?
  /// The agent that it is meant for; nil for any.
  public let agent: Address?

  /// Reads an order.
  /// - Throws: ``FaultOrderError`` that names the member which is wrong.
  public init(json: JSON) throws(FaultOrderError) {
    guard let object = json.objectValue else { throw .init("the order", "must be an object") }
    let known = Self.common + Self.details
    if let unknown = object.keys.first(where: { !known.contains($0) }) {
      throw .init(unknown, "is unknown; known are \(known.joined(separator: ", "))")
    }
    let kind = try Self.kind(object)
    times =
      object["times"] == .null ? nil : try Self.integer(object, "times", 1...1_000_000, orElse: 1)
    passes = try Self.integer(object, "after", 0...1_000_000, orElse: 0)
    likelihood = try Self.number(object, "likelihood", orElse: 1)
    guard likelihood > 0, likelihood <= 1 else {
      throw .init("likelihood", "must be above 0 and up to 1")
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
  public func add(to script: FaultScript) -> Int {
    script.add(fault, times: times, after: passes, likelihood: likelihood) { accepts($0) }
  }

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
      case .delay, .slowBody: ["seconds"]
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
  private static let common = ["fault", "times", "after", "likelihood", "route", "agent"]
  /// The members that only some faults have a use for.
  private static let details = ["status", "seconds", "bytes", "retry_after"]

  private static func kind(_ object: JSONObject) throws(FaultOrderError) -> Kind {
    guard let kind = object["fault"]?.stringValue.flatMap(Kind.init) else {
      let names = Kind.allCases.map(\.rawValue).joined(separator: ", ")
      throw .init("fault", "must be one of \(names)")
    }
    return kind
  }

  private static func fault(_ kind: Kind, _ object: JSONObject) throws(FaultOrderError) -> Fault {
    if let useless = object.keys.first(where: { details.contains($0) && !kind.allowed.contains($0) }
    ) {
      throw .init(useless, "has no meaning for the fault \(kind.rawValue)")
    }
    if let missing = kind.needed.first(where: { object[$0] == nil }) {
      throw .init(missing, "is missing: the fault \(kind.rawValue) needs it")
    }
    func pause() throws(FaultOrderError) -> Duration {
      let seconds = try number(object, "seconds", orElse: 1)
      guard seconds >= 0, seconds <= 86_400 else { throw .init("seconds", "must be 0 to 86400") }
      return .seconds(seconds)
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
