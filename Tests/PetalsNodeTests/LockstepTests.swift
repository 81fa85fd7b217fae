import AsyncPrimitives
import Bloom
import PetalsNode
import PlumiseTesting
import TestSupport
import Testing

@Suite("Sessions that decode share their passes", .timeLimit(.minutes(5)))
struct LockstepTests {
  /// A policy that has seen each session once through a pass of 10 ms, and away for so many milliseconds.
  ///
  /// All got their answers at 10 ms and were away until then.
  private static func policy(
    _ absences: [Int], patience: Double = Lockstep<Int>.client
  ) -> Lockstep<Int> {
    var policy = Lockstep<Int>(patience: patience)
    for (id, absence) in absences.enumerated() {
      policy.arrive(id, at: .zero)
      policy.answer([id], after: .milliseconds(10), at: .milliseconds(10))
      policy.arrive(id, at: .milliseconds(10 + absence))
    }
    return policy
  }

  private func deadline(
    _ policy: Lockstep<Int>, _ waiting: [Int], ready: Int, now: Int? = nil
  ) -> Duration? {
    policy.deadline(
      waiting: waiting, ready: .milliseconds(ready), now: .milliseconds(now ?? ready))
  }

  @Test("A session alone waits for nobody, and one of which nothing is known is not waited for")
  func alone() {
    #expect(deadline(Lockstep<Int>(patience: 6), [0], ready: 0) == nil)
    #expect(deadline(Self.policy([5]), [0], ready: 100) == nil)
    var policy = Self.policy([5])
    policy.arrive(1, at: .milliseconds(90))
    policy.answer([1], after: .milliseconds(10), at: .milliseconds(100))
    #expect(deadline(policy, [0], ready: 101) == nil)
  }

  @Test("A session that is away as long as those that wait is waited for, until it is late by half")
  func alike() {
    var policy = Self.policy([20, 20])
    policy.answer([1], after: .milliseconds(10), at: .milliseconds(100))
    let due = Duration.milliseconds(135) + .microseconds(1)
    #expect(deadline(policy, [0], ready: 101) == due)
    #expect(deadline(policy, [0], ready: 101, now: 134) == due)
    #expect(deadline(policy, [0], ready: 101, now: 136) == nil)
    // It comes, or leaves.
    var came = policy
    came.arrive(1, at: .milliseconds(118))
    #expect(deadline(came, [0, 1], ready: 101, now: 118) == nil)
    policy.leave(1)
    #expect(deadline(policy, [0], ready: 101) == nil)
  }

  @Test("A session with a slow client holds up nobody")
  func slow() {
    var policy = Self.policy([5, 21, 5])
    policy.answer([1], after: .milliseconds(10), at: .milliseconds(100))
    // Away for longer than twice what the others are, and a pass.
    #expect(deadline(policy, [0, 2], ready: 101) == nil)
    policy.arrive(1, at: .milliseconds(121))
    // The slow one waits for the quick ones.
    policy.answer([0], after: .milliseconds(10), at: .milliseconds(122))
    #expect(deadline(policy, [1], ready: 123) != nil)
  }

  @Test("Nobody is waited for who is due after more than six passes")
  func patience() {
    var policy = Self.policy([100, 100])
    policy.answer([1], after: .milliseconds(10), at: .milliseconds(200))
    #expect(deadline(policy, [0], ready: 239) == nil)
    #expect(deadline(policy, [0], ready: 240) != nil)
  }

  @Test("A node waits for those alone that come about together")
  func nodes() {
    var policy = Self.policy([20, 20], patience: Lockstep<Int>.node)
    policy.answer([1], after: .milliseconds(10), at: .milliseconds(100))
    #expect(deadline(policy, [0], ready: 104) == nil)
    #expect(deadline(policy, [0], ready: 105) != nil)
  }

  /// On a clock that stands still what is expected is waited for until it comes or leaves.
  @Test(
    "Sessions take as many passes as the longest of them has tokens", .timeLimit(.minutes(1)),
    arguments: [1, 2, 3, 8])
  func passes(sessions: Int) async throws {
    let model = try TinyModel()
    let shard = try Shard(model.checkpoint, blocks: model.blocks(0..<12))
    let rounds = Rounds()
    let blocks = DecodeScheduler(
      shard, chunk: 8, submit: { rounds.submit($0) }, clock: ManualClock())
    let state = try model.hidden("case3.embeddings").slice(0..<1)
    let tokens = 24
    try await withThrowingTaskGroup(of: Void.self) { group in
      for index in 0..<sessions {
        group.addTask {
          let cache = shard.makeCache(maximumLength: tokens)
          let session = blocks.participant()
          // They end at different times, and leave.
          for _ in 0..<(tokens - index) {
            _ = try await blocks.step(state, cache: cache, from: session)
          }
        }
      }
      // Nobody is waited for until it came twice.
      for _ in 0..<2 {
        try await blocks.waitUntilWaiting(sessions)
        try await rounds.run()
      }
      let computing = Task { while true { try await rounds.run() } }
      defer { computing.cancel() }
      try await group.waitForAll()
    }
    #expect(blocks.batches == tokens)
  }

  @Test(
    "Sessions that begin at any time fall into step, through one process and two nodes",
    arguments: 0..<20 as Range<UInt64>)
  func fallIntoStep(seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    for stages in [[10.0, 17], [10, 10, 17], [1, 0.3], [10, 3, 3, 17]] {
      let sessions = Int.random(in: 2...8, using: &random)
      // Who begins later ends later: that is not out of step.
      for (spread, most) in [(0.1, 120), (stages.reduce(0, +), 125)] {
        var simulation = Simulation(
          passes: stages, sessions: sessions, tokens: 100, begins: 0...spread,
          random: SeededGenerator(seed: seed))
        let passes = simulation.run()
        for count in passes {
          #expect(count <= most, "\(sessions) sessions through \(stages): \(passes) passes")
        }
      }
    }
  }
}

/// Sessions that make tokens by one stage after another, in simulated milliseconds.
///
/// A stage computes one batch at a time, by the policy's word; a pass takes its time however many it serves.
private struct Simulation {
  private struct Stage {
    let pass: Double
    var policy: Lockstep<Int>
    var waiting: [Int] = []
    /// Since when a batch could begin.
    var ready: Double?
    var computing: [Int] = []
    var isBusy = false
    var passes = 0
  }

  private enum Event {
    case arrival(session: Int, stage: Int)
    case end(stage: Int)
    case look(stage: Int)
  }

  private var stages: [Stage]
  private var left: [Int]
  private var events: [(time: Double, event: Event)] = []
  private var random: SeededGenerator

  init(
    passes: [Double], sessions: Int, tokens: Int, begins: ClosedRange<Double>,
    random: SeededGenerator
  ) {
    stages = passes.enumerated().map { index, pass in
      Stage(
        pass: pass,
        policy: Lockstep(
          patience: index == passes.count - 1 ? Lockstep<Int>.client : Lockstep<Int>.node))
    }
    left = Array(repeating: tokens, count: sessions)
    self.random = random
    for session in 0..<sessions {
      let time = Double.random(in: begins, using: &self.random)
      events.append((time, .arrival(session: session, stage: 0)))
    }
  }

  /// The passes of each stage until all tokens are made.
  mutating func run() -> [Int] {
    while let index = events.indices.min(by: { events[$0].time < events[$1].time }) {
      let (now, event) = events.remove(at: index)
      switch event {
      case .arrival(let session, let stage):
        stages[stage].policy.arrive(session, at: .milliseconds(now))
        stages[stage].waiting.append(session)
        look(stage, now)
      case .end(let stage): end(stage, now)
      case .look(let stage): look(stage, now)
      }
    }
    return stages.map(\.passes)
  }

  private mutating func look(_ index: Int, _ now: Double) {
    guard !stages[index].isBusy, !stages[index].waiting.isEmpty else { return }
    let ready = stages[index].ready ?? now
    let deadline = stages[index].policy.deadline(
      waiting: stages[index].waiting, ready: .milliseconds(ready), now: .milliseconds(now))
    if let deadline {
      stages[index].ready = ready
      return events.append((max(now, deadline / .milliseconds(1)) + 0.001, .look(stage: index)))
    }
    stages[index].ready = nil
    stages[index].isBusy = true
    stages[index].passes += 1
    stages[index].computing = stages[index].waiting
    stages[index].waiting = []
    events.append((now + stages[index].pass, .end(stage: index)))
  }

  private mutating func end(_ index: Int, _ now: Double) {
    let answered = stages[index].computing
    stages[index].isBusy = false
    stages[index].policy.answer(
      answered, after: .milliseconds(stages[index].pass), at: .milliseconds(now))
    for session in answered {
      var next = index + 1
      if next == stages.count {
        next = 0
        left[session] -= 1
        if left[session] == 0 {
          for stage in stages.indices {
            stages[stage].policy.leave(session)
            events.append((now, .look(stage: stage)))
          }
          continue
        }
      }
      // What the way takes differs a little from time to time.
      let way = Double.random(in: 0.01...0.1, using: &random)
      events.append((now + way, .arrival(session: session, stage: next)))
    }
    look(index, now)
  }
}
