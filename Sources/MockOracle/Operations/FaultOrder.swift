public import EthereumPrimitives
public import MockServing
public import PlumiseWire

/// A fault as it is ordered in JSON: what goes wrong, and with which requests.
///
/// `{"fault":"status","status":503,"times":3,"after":1,"likelihood":0.5,"route":"/api/v1/report",
/// "agent":"0x…"}`. Where `times` is null the fault stays; without it, it is met once.
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
    let known = [
      "fault", "times", "after", "likelihood", "route", "agent", "status", "seconds", "bytes",
      "retry_after",
    ]
    if let unknown = object.keys.first(where: { !known.contains($0) }) {
      throw .init(unknown, "is unknown; known are \(known.joined(separator: ", "))")
    }
    fault = try Self.fault(object)
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

  private static func fault(_ object: JSONObject) throws(FaultOrderError) -> Fault {
    let names = [
      "delay", "no-answer", "reset-before", "reset-after-handling", "reset-amid", "reset-after",
      "malformed-json", "wrong-content-type", "slow-body", "status", "too-many-requests",
      "error-inside",
    ]
    func pause() throws(FaultOrderError) -> Duration {
      let seconds = try number(object, "seconds", orElse: 1)
      guard seconds >= 0, seconds <= 86_400 else { throw .init("seconds", "must be 0 to 86400") }
      return .seconds(seconds)
    }
    func bytes() throws(FaultOrderError) -> Int {
      try integer(object, "bytes", 1...(1 << 20), orElse: 1)
    }
    switch object["fault"]?.stringValue {
    case "delay": return .delay(try pause())
    case "no-answer": return .neverAnswer
    case "reset-before": return .drop(.beforeHandling, .reset)
    case "reset-after-handling": return .drop(.beforeAnswer, .reset)
    case "reset-amid": return .drop(.midBody(after: try bytes()), .reset)
    case "reset-after": return .drop(.afterAnswer, .reset)
    case "malformed-json": return .malformedJSON
    case "wrong-content-type": return .wrongContentType
    case "slow-body": return .slowBody(.init(bytes: try bytes(), pause: try pause()))
    case "status": return .status(try integer(object, "status", 200...599, orElse: 500))
    case "too-many-requests":
      return .tooManyRequests(retryAfter: try integer(object, "retry_after", 0...86_400, orElse: 1))
    case "error-inside": return .errorInside
    default: throw .init("fault", "must be one of \(names.joined(separator: ", "))")
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
