public import MockServing
public import JSONValues

/// What goes wrong with a connection over a ``FaultyLink``.
public enum LinkFault: Hashable, Sendable {
  /// The connection is ended as soon as it is made (FIN).
  case close
  /// The connection is reset as soon as it is made (RST).
  case reset
  /// The connection is ended once so many bytes were forwarded in a direction of the rule; the bytes
  /// that follow are lost.
  case closeAfter(bytes: Int)
  /// The connection is reset once so many bytes were forwarded in a direction of the rule.
  case resetAfter(bytes: Int)
  /// Everything is read, and nothing forwarded: the server accepts, and never answers.
  case hold
  /// What is read is forwarded so much later, and up to `jitter` later still, in its order.
  case delay(Duration, jitter: Duration = .zero)
  /// What is read is forwarded at this rate.
  case throttle(bytesPerSecond: Int)
  /// What is read is forwarded in pieces of so many bytes, with a pause before each but the first.
  case slice(bytes: Int, pause: Duration)
}

/// Which bytes of a connection a fault is meant for; each way is disturbed by itself.
public enum LinkDirection: String, Hashable, Sendable, CaseIterable {
  /// All of them.
  case both
  /// What the client sends.
  case toServer = "to-server"
  /// What the server sends.
  case toClient = "to-client"

  /// The one or two ways that it stands for.
  var ways: [LinkDirection] { self == .both ? [.toServer, .toClient] : [self] }
}

/// A fault of a link, and which of its connections meet it.
public struct LinkFaultRule: Hashable, Sendable {
  /// What goes wrong.
  public var fault: LinkFault
  /// Which bytes it is meant for; without a meaning for ``LinkFault/close`` and ``LinkFault/reset``.
  public var direction: LinkDirection
  /// How many connections meet it, from which one on, and how likely; see ``FaultyLink/seed(_:)``.
  public var schedule: FaultSchedule

  /// Makes a rule; by default the next connection meets the fault, in both directions.
  /// - Parameters:
  ///   - fault: What goes wrong.
  ///   - direction: Which bytes it is meant for.
  ///   - count: How many connections meet it, at least 1; nil for all of them.
  ///   - skip: How many connections pass first.
  ///   - probability: How likely each one meets it after that, from 0 to 1.
  /// - Precondition: Numbers of bytes are above zero, and durations not negative.
  public init(
    _ fault: LinkFault, _ direction: LinkDirection = .both, count: Int? = 1, skip: Int = 0,
    probability: Double = 1
  ) {
    fault.checkValues()
    self.fault = fault
    self.direction = direction
    schedule = FaultSchedule(count: count, skip: skip, probability: probability)
  }
}

extension LinkFault {
  fileprivate func checkValues() {
    switch self {
    case .closeAfter(let bytes), .resetAfter(let bytes), .throttle(let bytes):
      precondition(bytes > 0, "\(self) needs a number above zero")
    case .delay(let delay, let jitter):
      precondition(delay >= .zero && jitter >= .zero, "\(self) needs durations from zero on")
    case .slice(let bytes, let pause):
      precondition(bytes > 0 && pause >= .zero, "\(self) needs bytes above zero, and a pause")
    case .close, .reset, .hold: break
    }
  }

  /// The names of the faults in JSON.
  private enum Name: String, CaseIterable {
    case close, reset, hold, delay, throttle, slice

    /// The members that a rule must have for it, and those that it may have.
    var members: (needed: [String], optional: [String]) {
      switch self {
      case .close, .reset: ([], ["bytes"])
      case .hold: ([], [])
      case .delay: (["milliseconds"], ["jitter_milliseconds"])
      case .throttle: (["bytes_per_second"], [])
      case .slice: (["bytes", "milliseconds"], [])
      }
    }
  }

  /// The members that only some faults have a use for.
  private static let details = ["bytes", "milliseconds", "jitter_milliseconds", "bytes_per_second"]

  fileprivate init(json object: JSONObject) throws(FaultScheduleError) {
    guard let name = object["fault"]?.stringValue.flatMap(Name.init) else {
      let names = Name.allCases.map(\.rawValue).joined(separator: ", ")
      throw FaultScheduleError("fault", "must be one of \(names)")
    }
    let known = ["fault", "direction"] + FaultSchedule.memberNames + Self.details
    if let unknown = object.keys.first(where: { !known.contains($0) }) {
      throw FaultScheduleError(unknown, "is unknown; known are \(known.joined(separator: ", "))")
    }
    let (needed, optional) = name.members
    if let useless = Self.details.first(where: {
      object[$0] != nil && !(needed + optional).contains($0)
    }) {
      throw FaultScheduleError(useless, "has no meaning for the fault \(name.rawValue)")
    }
    if let missing = needed.first(where: { object[$0] == nil }) {
      throw FaultScheduleError(missing, "is missing: the fault \(name.rawValue) needs it")
    }
    let bytes = try Self.number(object, "bytes", 1...Self.mostBytes)
    func milliseconds(_ name: String) throws(FaultScheduleError) -> Duration {
      .milliseconds(try Self.number(object, name, 0...86_400_000) ?? 0)
    }
    switch name {
    case .close: self = bytes.map { .closeAfter(bytes: $0) } ?? .close
    case .reset: self = bytes.map { .resetAfter(bytes: $0) } ?? .reset
    case .hold: self = .hold
    case .delay:
      self = .delay(
        try milliseconds("milliseconds"), jitter: try milliseconds("jitter_milliseconds"))
    case .throttle:
      let rate = try Self.number(object, "bytes_per_second", 1...Self.mostBytes)
      self = .throttle(bytesPerSecond: rate ?? 1)
    case .slice: self = .slice(bytes: bytes ?? 1, pause: try milliseconds("milliseconds"))
    }
  }

  private static let mostBytes = 1 << 40

  private static func number(
    _ object: JSONObject, _ name: String, _ range: ClosedRange<Int>
  ) throws(FaultScheduleError) -> Int? {
    guard let value = object[name] else { return nil }
    guard let number = value.integerValue.flatMap({ Int(exactly: $0) }), range.contains(number)
    else {
      throw FaultScheduleError(
        name, "must be a whole number from \(range.lowerBound) to \(range.upperBound)")
    }
    return number
  }

  fileprivate var json: JSONObject {
    switch self {
    case .close: ["fault": "close"]
    case .reset: ["fault": "reset"]
    case .hold: ["fault": "hold"]
    case .closeAfter(let bytes): ["fault": "close", "bytes": .integer(bytes)]
    case .resetAfter(let bytes): ["fault": "reset", "bytes": .integer(bytes)]
    case .delay(let delay, let jitter):
      [
        "fault": "delay", "milliseconds": .integer(Int(delay / .milliseconds(1))),
        "jitter_milliseconds": .integer(Int(jitter / .milliseconds(1))),
      ]
    case .throttle(let rate): ["fault": "throttle", "bytes_per_second": .integer(rate)]
    case .slice(let bytes, let pause):
      [
        "fault": "slice", "bytes": .integer(bytes),
        "milliseconds": .integer(Int(pause / .milliseconds(1))),
      ]
    }
  }
}

extension LinkFaultRule {
  /// Reads a rule: `{"fault":"delay","milliseconds":80,"jitter_milliseconds":20,"direction":"to-client",
  /// "count":2,"skip":1,"probability":0.5}`.
  ///
  /// `fault` is `close` or `reset` (after so many `bytes`, if they are said), `hold`, `delay`, `throttle`
  /// (`bytes_per_second`) or `slice` (`bytes`, `milliseconds`); `direction` is `both` when it is missing.
  /// - Throws: `FaultScheduleError` that names the member which is wrong.
  public init(json: JSON) throws(FaultScheduleError) {
    let object = json.objectValue ?? [:]
    fault = try LinkFault(json: object)
    direction = .both
    if let value = object["direction"] {
      guard let known = value.stringValue.flatMap(LinkDirection.init) else {
        let names = LinkDirection.allCases.map(\.rawValue).joined(separator: ", ")
        throw FaultScheduleError("direction", "must be one of \(names)")
      }
      direction = known
    }
    schedule = try FaultSchedule(json: object)
  }

  /// The rule as JSON.
  public var json: JSON {
    var object = fault.json
    object["direction"] = .string(direction.rawValue)
    for member in schedule.json.members { object[member.key] = member.value }
    return .object(object)
  }
}
