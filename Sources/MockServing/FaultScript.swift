import AsyncPrimitives
import HTTPTypes
package import JSONValues
import Synchronization

/// The faults that a server applies: each to the requests it is meant for, so many times.
///
/// A request meets the first fault, in the order they were added, whose predicate accepts it and
/// which has uses left; that fault then has one use less. Everything else is served as usual. Where
/// a fault leaves something to chance, the script's seed decides: the same requests in the same order
/// meet the same faults.
public final class FaultScript: Sendable {
  private struct Entry {
    let id: Int
    let rule: FaultRule
    /// What is left of the rule's schedule.
    var schedule: FaultSchedule
  }

  private struct State {
    var entries: [Entry] = []
    var added = 0
    var seed: UInt64
    var chance: SeededGenerator

    /// Takes one use of an entry; it is not met when it has none left, or lets the request pass.
    mutating func use(_ id: Int) -> (isMet: Bool, isUsedUp: Bool) {
      guard let index = entries.firstIndex(where: { $0.id == id }) else { return (false, false) }
      var schedule = entries[index].schedule
      let isMet = schedule.takeOccasion { chance.unit() < $0 }
      entries[index].schedule = schedule
      if schedule.isExhausted { entries.remove(at: index) }
      return (isMet, schedule.isExhausted)
    }
  }

  private let state: Mutex<State>
  private let changes = OrderedChanges<FaultAdministration.Change>()
  /// The requests that met a fault, in order; a test waits here until one has.
  ///
  /// It holds 10 000 of them, or 16 MiB, whichever is less.
  public let met = Journal<WebRequest>(byteLimit: 16 << 20) { $0.byteCount }
  /// The clock that ``Fault/delay(_:)`` and ``Fault/slowBody(_:)`` wait on.
  public let clock: any Clock<Duration>
  /// What counts the requests that wait on it, for a clock that tests move.
  let monitor: IdleMonitor?

  /// Makes an empty script.
  /// - Parameters:
  ///   - clock: what delays are measured on; a test's own clock makes them exact.
  ///   - seed: what decides where a fault is likely and not certain.
  public init(clock: any Clock<Duration> = ContinuousClock(), seed: UInt64 = 0) {
    self.clock = clock
    monitor = clock.monitor
    state = Mutex(State(seed: seed, chance: SeededGenerator(seed: seed)))
  }

  /// Adds a fault at the end of the script.
  /// - Parameters:
  ///   - fault: what goes wrong.
  ///   - count: how many requests it meets; `nil` for all of them.
  ///   - skip: how many requests that it is meant for it lets pass first.
  ///   - probability: how likely it is to meet each of them after that, from 0 to 1.
  ///   - predicate: which requests it is meant for; by default every one.
  /// - Returns: a number by which it can be taken back.
  @discardableResult
  public func add(
    _ fault: Fault, count: Int? = 1, skip: Int = 0, probability: Double = 1,
    where predicate: @escaping @Sendable (WebRequest) -> Bool = { _ in true }
  ) -> Int {
    add(FaultRule(fault, count: count, skip: skip, probability: probability, where: predicate))
  }

  /// Adds a fault, with the requests that it meets, at the end of the script.
  /// - Returns: a number by which it can be taken back.
  @discardableResult
  public func add(_ rule: FaultRule) -> Int {
    defer { changes.passOn() }
    return state.withLock { state in
      let id = state.added
      state.entries.append(Entry(id: id, rule: rule, schedule: rule.schedule))
      state.added += 1
      changes.note(.ordered(id: .integer(id), order: .object(rule.listing)))
      return id
    }
  }

  /// Has a closure called with each change of the script from here on, whoever makes it.
  ///
  /// It is called behind the change, in the order of the changes, and must not block.
  package func observe(_ observer: @escaping @Sendable (FaultAdministration.Change) -> Void) {
    changes.observe(observer)
  }

  /// Begins chance anew: from here on the same requests in the same order meet the same faults.
  public func seed(_ seed: UInt64) {
    state.withLock { state in
      state.seed = seed
      state.chance = SeededGenerator(seed: seed)
    }
  }

  /// What decides where a fault is likely and not certain.
  public var seed: UInt64 { state.withLock { $0.seed } }

  /// Takes one fault back.
  /// - Returns: whether it was there still.
  @discardableResult
  public func remove(_ id: Int) -> Bool {
    defer { changes.passOn() }
    return state.withLock { state in
      guard let index = state.entries.firstIndex(where: { $0.id == id }) else { return false }
      state.entries.remove(at: index)
      changes.note(.takenBack(id: "\(id)"))
      return true
    }
  }

  /// Takes every fault back.
  public func clear() {
    state.withLock { state in
      state.entries = []
      changes.note(.cleared)
    }
    changes.passOn()
  }

  /// Whether no fault is left that could still meet a request.
  public var isExhausted: Bool { state.withLock { $0.entries.isEmpty } }

  /// The numbers of the faults that are left, with what is left of each one's schedule.
  public var remaining: [(id: Int, schedule: FaultSchedule)] {
    state.withLock { $0.entries.map { ($0.id, $0.schedule) } }
  }

  /// The faults that are left, each with what is left of its schedule.
  package var remainingRules: [(id: Int, rule: FaultRule, schedule: FaultSchedule)] {
    state.withLock { $0.entries.map { ($0.id, $0.rule, $0.schedule) } }
  }

  /// Takes the fault for a request, if one is meant for it.
  public func take(for request: WebRequest) -> Fault? {
    // Predicates are the caller's code and run outside the lock; another request may take an
    // entry's last use meanwhile, and then the search goes on.
    for candidate in state.withLock({ $0.entries }) where candidate.rule.accepts(request) {
      let isMet = state.withLock { state in
        let (isMet, isUsedUp) = state.use(candidate.id)
        if isUsedUp { changes.note(.usedUp(id: "\(candidate.id)")) }
        return isMet
      }
      changes.passOn()
      if isMet {
        met.record(request)
        return candidate.rule.fault
      }
    }
    return nil
  }
}

/// A fault with the requests that it meets: what a ``FaultScript`` consists of, as a value.
public struct FaultRule: Sendable {
  /// What goes wrong.
  public let fault: Fault
  /// How many of the requests that it is meant for it meets, from which one on, and how likely.
  public let schedule: FaultSchedule
  let accepts: @Sendable (WebRequest) -> Bool
  /// What was ordered in JSON, for whoever lists the faults; nil for a rule that was made otherwise.
  package var order: JSONObject?

  /// Makes a rule; by default the fault meets the next request, whichever it is.
  /// - Parameters:
  ///   - fault: what goes wrong.
  ///   - count: how many requests it meets, at least 1; nil for all of them.
  ///   - skip: how many requests it lets pass first.
  ///   - probability: how likely it meets each request after that, from 0 to 1.
  ///   - predicate: which requests it is meant for.
  public init(
    _ fault: Fault, count: Int? = 1, skip: Int = 0, probability: Double = 1,
    where predicate: @escaping @Sendable (WebRequest) -> Bool = { _ in true }
  ) {
    self.init(
      fault, FaultSchedule(count: count, skip: skip, probability: probability), where: predicate)
  }

  /// Makes a rule with a schedule.
  public init(
    _ fault: Fault, _ schedule: FaultSchedule,
    where predicate: @escaping @Sendable (WebRequest) -> Bool = { _ in true }
  ) {
    self.fault = fault
    self.schedule = schedule
    accepts = predicate
  }

  /// The rule for whoever lists the faults: what was ordered, or else what the fault does, and its schedule.
  package var listing: JSONObject {
    var object = order ?? ["fault": .string(fault.summary)]
    for member in schedule.json.members { object[member.key] = member.value }
    return object
  }
}

/// One thing that goes wrong with one request.
public enum Fault: Sendable {
  /// How a connection ends before its time.
  public enum Ending: Sendable, Hashable {
    /// An orderly end (FIN).
    case close
    /// A reset (RST): the peer reads "connection reset by peer".
    case reset
  }

  /// At which point a connection ends.
  public enum Moment: Sendable, Hashable {
    /// The service never sees the request.
    case beforeHandling
    /// The service handled the request; the answer is lost.
    case beforeAnswer
    /// The head went out, with the whole body's length, and then this many bytes of the body.
    case midBody(after: Int)
    /// The whole answer went out.
    case afterAnswer
  }

  /// How slowly a body goes out.
  public struct Pace: Sendable, Hashable {
    /// How many bytes at a time.
    public let bytes: Int
    /// The pause before each piece.
    public let pause: Duration

    /// A pace of at least one byte at a time.
    public init(bytes: Int, pause: Duration) {
      precondition(bytes > 0, "a pace of \(bytes) bytes")
      self.bytes = bytes
      self.pause = pause
    }
  }

  /// The request waits this long, on the script's clock, and is then handled as usual.
  case delay(Duration)
  /// The service never sees the request, and no answer comes; the connection stays open.
  case neverAnswer
  /// The connection ends.
  case drop(Moment, Ending = .close)
  /// This answer is given; the service never sees the request.
  case answer(WebResponse)
  /// The service handles the request; its answer is changed on the way out.
  case alter(@Sendable (WebResponse) -> WebResponse)
  /// The service handles the request; the answer's body goes out piece by piece.
  case slowBody(Pace)
}

extension Fault {
  /// What the fault does, in a few words.
  package var summary: String {
    switch self {
    case .delay(let delay): "a delay of \(delay)"
    case .neverAnswer: "no answer"
    case .drop(.beforeHandling, let ending): "\(ending) before handling"
    case .drop(.beforeAnswer, let ending): "\(ending) before the answer"
    case .drop(.midBody(let bytes), let ending): "\(ending) after \(bytes) bytes of the answer"
    case .drop(.afterAnswer, let ending): "\(ending) after the answer"
    case .answer(let response): "status \(response.status.code)"
    case .alter: "a changed answer"
    case .slowBody(let pace): "\(pace.bytes) bytes each \(pace.pause)"
    }
  }

  /// An answer with this status and an empty body.
  public static func status(_ code: Int) -> Fault {
    .answer(WebResponse(status: .init(code: code)))
  }

  /// 429 with `Retry-After` in whole seconds.
  public static func tooManyRequests(retryAfter seconds: Int) -> Fault {
    .answer(
      .json(
        Array(#"{"status":"error","message":"Too many requests"}"#.utf8),
        status: .tooManyRequests, headers: [.retryAfter: String(seconds)]))
  }

  /// 200 with an error inside: in both dialects' words, the request unseen by the service.
  public static var errorInside: Fault {
    .answer(
      .json(
        Array(#"{"status":"error","success":false,"message":"Injected fault"}"#.utf8)))
  }

  /// The service's answer, cut in the middle of its JSON.
  public static var malformedJSON: Fault {
    .alter { response in
      var cut = response
      cut.body = Array(response.body.prefix(max(1, response.body.count / 2)))
      return cut
    }
  }

  /// The service's answer, said to be a page.
  public static var wrongContentType: Fault {
    .alter { response in
      var page = response
      page.headers[.contentType] = "text/html; charset=utf-8"
      return page
    }
  }
}
