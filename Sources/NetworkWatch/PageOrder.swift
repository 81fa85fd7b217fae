public import JSONValues

/// An order of the page.
public enum PageOrder: Sendable, Hashable {
  /// What is done to the link before a node.
  public enum LinkAction: Sendable, Hashable {
    /// Every connection ends, and none is taken.
    case cut
    /// What comes is taken, and nothing forwarded.
    case hold
    /// New connections forward what comes so much later.
    case slow(milliseconds: Int)
    /// The link is as it was at first.
    case open
  }

  /// Generates through the network.
  case generate(prompt: String, maxNewTokens: Int, temperature: Float)
  /// Orders a fault of `chain`, `oracle`, `gateway` or `links`.
  case addFault(of: String, order: JSON)
  /// Takes a fault back.
  case removeFault(of: String, id: String)
  /// Changes the link before a node.
  case link(node: String, LinkAction)
  /// Kills a node's process (SIGKILL), which ends without a last report.
  case kill(node: String)
  /// Starts a node that was killed, with its key, at its address.
  case start(node: String)
  /// Moves the chain's clock ahead, and makes a block at the new time.
  case moveClock(seconds: Int)
}

/// Why an order is not done.
public struct OrderRefusal: Error, Sendable, CustomStringConvertible {
  /// One line: what is wrong and what to do.
  public let description: String
  /// Whether the order is well formed, and cannot be done as the network stands.
  public let isConflict: Bool

  /// A refusal with its reason.
  public init(_ description: String, isConflict: Bool = false) {
    self.description = description
    self.isConflict = isConflict
  }
}

/// The network that a page shows and orders about.
public protocol WatchedNetwork: Sendable {
  /// What the page shows before any event: nodes, services and their addresses, as JSON.
  var description: JSON { get }

  /// The faults that are ordered and not used up or taken back, by the part that has them.
  func faults() async -> JSON

  /// Does an order; events follow for what it does.
  /// - Returns: What the answer holds: the id of a fault, the number of a generation.
  /// - Throws: ``OrderRefusal``.
  func perform(_ order: PageOrder) async throws -> JSONObject
}

extension PageOrder {
  /// Reads an order.
  /// - Parameters:
  ///   - segments: The path's, behind `/orders`.
  ///   - body: The request's.
  /// - Returns: Nil where no order has such a path.
  /// - Throws: ``OrderRefusal`` for a body that lacks what the order needs.
  init?(_ segments: [String], _ body: JSON) throws(OrderRefusal) {
    switch (segments.first, segments.count) {
    case ("generate", 1):
      guard let prompt = body["prompt"]?.stringValue, !prompt.isEmpty else {
        throw OrderRefusal("prompt must be a text of at least one character")
      }
      let temperature = (body["temperature"] ?? 0).doubleValue
      guard let temperature, (0...100).contains(temperature) else {
        throw OrderRefusal("temperature must be a number from 0 to 100")
      }
      self = .generate(
        prompt: prompt, maxNewTokens: try Self.number(body, "max_new_tokens", 1...4096) ?? 32,
        temperature: Float(temperature))
    case ("faults", 2): self = .addFault(of: segments[1], order: body)
    case ("clock", 1):
      guard let seconds = try Self.number(body, "seconds", 1...31_536_000) else {
        throw OrderRefusal("seconds is missing: how far the clock is moved")
      }
      self = .moveClock(seconds: seconds)
    case ("links", 2): self = .link(node: segments[1], try Self.linkAction(body))
    case ("nodes", 2):
      switch body["action"]?.stringValue {
      case "kill": self = .kill(node: segments[1])
      case "start": self = .start(node: segments[1])
      default: throw OrderRefusal("action must be kill or start")
      }
    default: return nil
    }
  }

  private static func linkAction(_ body: JSON) throws(OrderRefusal) -> LinkAction {
    switch body["action"]?.stringValue {
    case "cut": return .cut
    case "hold": return .hold
    case "open": return .open
    case "slow":
      return .slow(milliseconds: try number(body, "milliseconds", 1...60_000) ?? 200)
    default: throw OrderRefusal("action must be cut, hold, slow or open")
    }
  }

  private static func number(
    _ body: JSON, _ name: String, _ range: ClosedRange<Int>
  ) throws(OrderRefusal) -> Int? {
    guard let value = body[name] else { return nil }
    guard let number = value.integerValue.flatMap({ Int(exactly: $0) }), range.contains(number)
    else {
      throw OrderRefusal(
        "\(name) must be a whole number from \(range.lowerBound) to \(range.upperBound)")
    }
    return number
  }
}
