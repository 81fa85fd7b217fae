import AsyncPrimitives
public import PlumiseWire

/// The time of a network: the clock of its waits, and the time of day that goes with it.
///
/// Both stand still until a test moves the clock. Blocks, reports and the oracle's window for
/// timestamps take the time of day; intervals, time-outs, retries, polls, uptimes, and the limits that
/// servers and nodes set their clients take the clock.
///
/// ```swift
/// import PlumiseTesting
/// import Testing
///
/// @Test("A node reports every minute", .petalsNetwork(nodes: 1))
/// func everyMinute() async throws {
///   let network = try PetalsNetwork.current
///   let node = network.nodes[0]
///   try await node.register()
///   try await node.reporter.start()
///   try await network.time.advance(by: .seconds(3600))
///   #expect(network.oracle.agent(node.address)?.reportCount == 60)
/// }
/// ```
///
/// ``advance(by:)`` and ``run(within:_:)`` go from one deadline to the next, and wait at each until
/// everything that became due has run and waits again. They know it by events, not by time: the tasks of
/// agents, reporters, heartbeats and servers' sweeps run on an executor that counts them, and a request
/// counts until its client has the answer, unless a fault or a link holds it. What they do not see: a
/// `Task` or `Task.detached` of the test's own between its calls of the network (a child task, as by
/// `async let`, they do see, and what ``run(within:_:)`` runs); the main actor's work; generations,
/// whose clients measure real time unless they are given ``clock``. Where such a task is to sleep first,
/// wait for that: ``ManualClock/waitForSleepers(_:)``.
public struct NetworkTime: Sendable {
  /// The clock that the test moves.
  public let clock: ManualClock
  /// The time of day when the clock showed zero, since 1970-01-01 00:00:00 UTC.
  public let start: Duration
  private let turn = AsyncLock()

  /// Makes a time that stands still.
  /// - Parameter start: the time of day, since 1970-01-01 00:00:00 UTC.
  public init(startingAt start: Duration) {
    self.init(startingAt: start, clock: ManualClock())
  }

  init(startingAt start: Duration, clock: ManualClock) {
    self.clock = clock
    self.start = start
  }

  /// The time of day: the start, and what the clock was moved since.
  public var unixClock: UnixClock {
    UnixClock { [clock, start] in start + clock.now.offset }
  }

  /// The clock of time limits for others, which are not among its ``ManualClock/deadlines``.
  var background: BackgroundClock { BackgroundClock(clock: clock) }

  /// Lets time pass: what is done at intervals is done as often as it would be.
  ///
  /// The clock stops at each deadline on the way, in order, until everything is idle that became due. Calls
  /// take turns.
  /// - Parameter duration: how long, from what the clock shows when the call's turn comes.
  /// - Precondition: `duration` is not negative.
  /// - Throws: `CancellationError` when the task is cancelled; the clock stays where it is then.
  public func advance(by duration: Duration) async throws {
    precondition(duration >= .zero, "time does not run backwards, not by \(duration)")
    try await turn.withLock {
      let end = clock.now.advanced(by: duration)
      try await passDeadlines(until: end)
      clock.advance(to: end)
    }
  }

  /// Runs an operation, and lets the time pass that it waits for.
  ///
  /// Whenever everything is idle the clock goes on to the next deadline, until the operation has ended: a
  /// lost receipt, a delay, or a request without an answer costs no time.
  /// - Parameters:
  ///   - limit: how much time may pass.
  ///   - operation: what is run, in a task that is counted.
  /// - Returns: what it returned.
  /// - Throws: what it throws; ``Unended`` when it waits for something else than time;
  ///   `CancellationError` when the task is cancelled.
  @discardableResult
  public func run<Result: Sendable>(
    within limit: Duration = .seconds(3600),
    _ operation: @escaping @Sendable () async throws -> Result
  ) async throws -> Result {
    try await withTaskExecutorPreference(clock.idleMonitor) {
      try await race(operation, against: { try await passTime(until: limit) })
    }
  }

  /// Stops at each deadline until a time, once everything is idle.
  private func passDeadlines(until end: ManualClock.Instant) async throws {
    repeat {
      try await clock.idleMonitor.waitUntilIdle()
    } while clock.advanceToDeadline(until: end)
  }

  private func passTime<Result>(until limit: Duration) async throws -> Result {
    try await turn.withLock {
      let end = clock.now.advanced(by: limit)
      try await passDeadlines(until: end)
      let requests = clock.idleMonitor.requestCounts
      throw Unended(limit: limit, requests: requests, clock: clock.summary)
    }
  }

  /// The error of an operation that still waits when all the time has passed that it may take.
  public struct Unended: Error, CustomStringConvertible {
    let limit: Duration
    let requests: (all: Int, held: Int)
    let clock: String

    /// How long it waited, and which deadlines there are.
    public var description: String {
      """
      the operation has not ended within \(limit) of the network's time: it waits for something that \
      time does not bring. \(requests.all) requests are under way, \(requests.held) of them held; \(clock)
      """
    }
  }
}
