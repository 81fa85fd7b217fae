import Foundation

extension WatchedEvent: Codable {
  private enum Key: String, CodingKey {
    case number, time, part, kind
    case life, agent, standing, session, request, block, fault, link, clock, generation, check, load
  }

  /// Reads an event.
  /// - Throws: `DecodingError` for members that are missing or no event's.
  public init(from decoder: any Decoder) throws {
    let members = try decoder.container(keyedBy: Key.self)
    let name = try members.decode(String.self, forKey: .kind)
    func read<Body: Decodable>(_ key: Key) throws -> Body {
      try members.decode(Body.self, forKey: key)
    }
    let kind: WatchedKind =
      switch Key(rawValue: name) {
      case .life: .life(try read(.life))
      case .agent: .agent(try read(.agent))
      case .standing: .standing(try read(.standing))
      case .session: .session(try read(.session))
      case .request: .request(try read(.request))
      case .block: .block(try read(.block))
      case .fault: .fault(try read(.fault))
      case .link: .link(try read(.link))
      case .clock: .clock(try read(.clock))
      case .generation: .generation(try read(.generation))
      case .check: .check(try read(.check))
      case .load: .load(try read(.load))
      case .number, .time, .part, .kind, nil:
        throw DecodingError.dataCorruptedError(
          forKey: .kind, in: members, debugDescription: "unknown kind of event \"\(name)\"")
      }
    self.init(
      number: try read(.number), time: try read(.time), part: try read(.part), kind: kind)
  }

  /// Writes the event.
  public func encode(to encoder: any Encoder) throws {
    var members = encoder.container(keyedBy: Key.self)
    try members.encode(number, forKey: .number)
    try members.encode(time, forKey: .time)
    try members.encode(part, forKey: .part)
    func write(_ body: some Encodable, _ key: Key) throws {
      try members.encode(key.rawValue, forKey: .kind)
      try members.encode(body, forKey: key)
    }
    switch kind {
    case .life(let body): try write(body, .life)
    case .agent(let body): try write(body, .agent)
    case .standing(let body): try write(body, .standing)
    case .session(let body): try write(body, .session)
    case .request(let body): try write(body, .request)
    case .block(let body): try write(body, .block)
    case .fault(let body): try write(body, .fault)
    case .link(let body): try write(body, .link)
    case .clock(let body): try write(body, .clock)
    case .generation(let body): try write(body, .generation)
    case .check(let body): try write(body, .check)
    case .load(let body): try write(body, .load)
    }
  }

  /// The event as one line of JSON, without a line break; members have names as `cache_bytes`.
  public var line: String {
    let encoder = JSONEncoder()
    encoder.keyEncodingStrategy = .convertToSnakeCase
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    // The encoder refuses only numbers that are not finite, and the times of an event are finite.
    guard let data = try? encoder.encode(self) else {
      preconditionFailure("an event has no JSON: \(self)")
    }
    return String(decoding: data, as: UTF8.self)
  }

  /// Reads an event from a line of JSON; unknown members are passed over.
  /// - Throws: `DecodingError`.
  public init(line: String) throws {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    self = try decoder.decode(WatchedEvent.self, from: Data(line.utf8))
  }
}

/// The line of an event on the standard output of a service that is watched.
///
/// Its first member distinguishes it from the service's own events.
public enum ObservedLine {
  private static let beginning = #"{"event":"observed","#

  /// The line of an event.
  public static func text(of event: WatchedEvent) -> String {
    beginning + event.line.dropFirst()
  }

  /// The event of a line; nil for a line that is none.
  /// - Throws: `DecodingError` for an event that cannot be read.
  public static func event(in line: String) throws -> WatchedEvent? {
    guard line.hasPrefix(beginning) else { return nil }
    return try WatchedEvent(line: line)
  }
}
