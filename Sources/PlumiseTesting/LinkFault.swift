public import MockServing
public import JSONValues

/// What goes wrong with a connection over a ``FaultyLink``.
public enum LinkFault: String, Hashable, Sendable, CaseIterable {
  /// The connection is closed as soon as it is made.
  case close
  /// Everything is read, and nothing forwarded: the node accepts, and never answers.
  case hold
}

/// A fault of a link, and which of its connections meet it.
public struct LinkFaultRule: Hashable, Sendable {
  /// What goes wrong.
  public var fault: LinkFault
  /// How many connections meet it, from which one on, and how likely; see ``FaultyLink/seed(_:)``.
  public var schedule: FaultSchedule

  /// Makes a rule; by default the next connection meets the fault.
  /// - Parameters:
  ///   - fault: What goes wrong.
  ///   - count: How many connections meet it, at least 1; nil for all of them.
  ///   - skip: How many connections pass first.
  ///   - probability: How likely each one meets it after that, from 0 to 1.
  public init(_ fault: LinkFault, count: Int? = 1, skip: Int = 0, probability: Double = 1) {
    self.fault = fault
    schedule = FaultSchedule(count: count, skip: skip, probability: probability)
  }

  /// Reads a rule: `{"fault":"hold","count":2,"skip":1,"probability":0.5}`.
  ///
  /// - Throws: `FaultScheduleError` that names the member which is wrong.
  public init(json: JSON) throws(FaultScheduleError) {
    let object = json.objectValue ?? [:]
    guard let fault = object["fault"]?.stringValue.flatMap(LinkFault.init) else {
      let names = LinkFault.allCases.map(\.rawValue).joined(separator: ", ")
      throw FaultScheduleError("fault", "must be one of \(names)")
    }
    let known = ["fault"] + FaultSchedule.memberNames
    if let unknown = object.keys.first(where: { !known.contains($0) }) {
      throw FaultScheduleError(unknown, "is unknown; known are \(known.joined(separator: ", "))")
    }
    self.fault = fault
    schedule = try FaultSchedule(json: object)
  }

  /// The rule as JSON.
  public var json: JSON {
    var object: JSONObject = ["fault": .string(fault.rawValue)]
    for member in schedule.json.members { object[member.key] = member.value }
    return .object(object)
  }
}
