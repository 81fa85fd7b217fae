import AsyncPrimitives
import Bloom
import MockServing
import PetalsNode
import Synchronization
import TestSupport
import TestVectors
import Testing

@Suite("The queue in which steps wait for each other", .timeLimit(.minutes(5)))
struct StepQueueTests {
  let model: TinyModel
  let shard: Shard

  init() throws {
    model = try TinyModel()
    shard = try Shard(model.checkpoint, blocks: model.blocks(0..<12))
  }

  /// A session, and where it stands in a prompt whose hidden states are known.
  private struct Session {
    let input: HiddenStates
    let expected: HiddenStates
    let cache: KeyValueCache
    var position = 0

    init(_ model: TinyModel, _ shard: Shard, _ name: String) throws {
      input = try model.hidden("\(name).embeddings")
      expected = try model.hidden("\(name).after_first_shard")
      cache = shard.makeCache(maximumLength: input.tokens)
    }
  }

  private func queue(chunk: Int = 8) -> (DecodeScheduler, Rounds) {
    let rounds = Rounds()
    return (DecodeScheduler(shard, chunk: chunk, submit: { rounds.submit($0) }), rounds)
  }

  @Test("Steps that wait together are one round, and each gives what it gives alone")
  func together() async throws {
    let (queue, rounds) = queue()
    var steps: [(expected: HiddenStates, task: Task<HiddenStates, any Error>)] = []
    for number in 0..<8 {
      let session = try Session(model, shard, TinyModel.cases[2 + number % 2])
      // Caches of different lengths.
      let before = number % 6
      if before > 0 {
        _ = try await shard.forward(session.input.slice(0..<before), cache: session.cache)
      }
      let task = Task {
        try await queue.step(session.input.slice(before..<before + 1), cache: session.cache)
      }
      steps.append((session.expected.slice(before..<before + 1), task))
    }
    try await queue.waitUntilWaiting(8)
    try await rounds.run()
    #expect(queue.batches == 1 && queue.waiting == 0)
    for (number, step) in steps.enumerated() {
      try expectClose(try await step.task.value, step.expected, "session \(number)")
    }
  }

  @Test("Sessions come and go at any step, and none notices", arguments: 0..<6 as Range<UInt64>)
  func comeAndGo(seed: UInt64) async throws {
    var random = SeededGenerator(seed: seed)
    let (queue, rounds) = queue(chunk: 3)
    var sessions: [Session] = []
    for _ in 0..<14 {
      for _ in 0..<Int.random(in: 0...2, using: &random) {
        let name = TinyModel.cases[.random(in: 1...3, using: &random)]
        sessions.append(try Session(model, shard, name))
      }
      if !sessions.isEmpty, Int.random(in: 0..<4, using: &random) == 0 {
        sessions.remove(at: .random(in: 0..<sessions.count, using: &random))
      }
      var steps: [(Int, Range<Int>, Task<HiddenStates, any Error>)] = []
      for index in sessions.indices {
        let session = sessions[index]
        let left = session.input.tokens - session.position
        if left == 0 || Int.random(in: 0..<3, using: &random) == 0 { continue }
        let rows =
          session.position..<session.position + .random(in: 1...min(left, 5), using: &random)
        let task = Task {
          try await queue.step(session.input.slice(rows), cache: session.cache)
        }
        steps.append((index, rows, task))
      }
      try await queue.waitUntilWaiting(steps.count)
      while queue.waiting > 0 { try await rounds.run() }
      for (index, rows, task) in steps {
        try expectClose(
          try await task.value, sessions[index].expected.slice(rows), "session \(index)")
        sessions[index].position = rows.upperBound
      }
    }
  }

  @Test("A prompt in chunks gives what it gives whole", arguments: [1, 2, 3, 5, 64])
  func chunks(size: Int) async throws {
    let (queue, rounds) = queue(chunk: size)
    let session = try Session(model, shard, "case3")
    let prompt = Task { try await queue.step(session.input, cache: session.cache) }
    try await queue.waitUntilWaiting(1)
    while queue.waiting > 0 { try await rounds.run() }
    try expectClose(try await prompt.value, session.expected, "chunks of \(size)")
    #expect(queue.batches == (session.input.tokens + size - 1) / size)
    #expect(session.cache.position == session.input.tokens)
  }

  @Test("A long prompt does not hold up who decodes")
  func turns() async throws {
    let (queue, rounds) = queue(chunk: 4)
    let long = try Session(model, shard, "case3")
    try #require(long.input.tokens > 8)
    let prompt = Task { try await queue.step(long.input, cache: long.cache) }
    try await queue.waitUntilWaiting(1)
    try await rounds.run()
    let other = try Session(model, shard, "case2")
    let token = Task { try await queue.step(other.input.slice(0..<1), cache: other.cache) }
    try await queue.waitUntilWaiting(2)
    try await rounds.run()
    // One round, and the token is there, though the prompt is not.
    try expectClose(try await token.value, other.expected.slice(0..<1), "token")
    #expect(queue.waiting == 1 && long.cache.position == 8)
    while queue.waiting > 0 { try await rounds.run() }
    try expectClose(try await prompt.value, long.expected, "prompt")
  }

  @Test("Prompts take turns at their chunks")
  func prompts() async throws {
    let (queue, rounds) = queue(chunk: 4)
    let sessions = try (0..<2).map { _ in try Session(model, shard, "case3") }
    let prompts = sessions.map { session in
      Task { try await queue.step(session.input, cache: session.cache) }
    }
    try await queue.waitUntilWaiting(2)
    for _ in 0..<4 { try await rounds.run() }
    #expect(sessions.map(\.cache.position) == [8, 8])
    while queue.waiting > 0 { try await rounds.run() }
    for (session, prompt) in zip(sessions, prompts) {
      try expectClose(try await prompt.value, session.expected, "prompt")
    }
  }

  @Test("A session that is cancelled leaves its batch, and the others go on")
  func leaving() async throws {
    let (queue, rounds) = queue(chunk: 4)
    let sessions = try (0..<3).map { _ in try Session(model, shard, "case3") }
    let steps = sessions.map { session in
      Task { try await queue.step(session.input.slice(0..<6), cache: session.cache) }
    }
    try await queue.waitUntilWaiting(3)
    steps[1].cancel()
    await #expect(throws: CancellationError.self) { try await steps[1].value }
    #expect(queue.waiting == 2)
    // One that is half through leaves, too.
    try await rounds.run()
    let half = try #require(sessions.firstIndex { $0.cache.position == 4 })
    steps[half].cancel()
    await #expect(throws: CancellationError.self) { try await steps[half].value }
    while queue.waiting > 0 { try await rounds.run() }
    let last = 2 - half
    try expectClose(try await steps[last].value, sessions[last].expected.slice(0..<6), "last")
  }

  @Test("A step that cannot be computed fails alone")
  func failsAlone() async throws {
    let (queue, rounds) = queue()
    let good = try Session(model, shard, "case2")
    let full = shard.makeCache(maximumLength: 1)
    _ = try await shard.forward(good.input.slice(0..<1), cache: full)
    let bad = Task { try await queue.step(good.input.slice(1..<2), cache: full) }
    let step = Task { try await queue.step(good.input.slice(0..<1), cache: good.cache) }
    try await queue.waitUntilWaiting(2)
    try await rounds.run()
    await #expect(throws: CacheError.self) { try await bad.value }
    try expectClose(try await step.value, good.expected.slice(0..<1), "the other")
  }
}

@Suite("The queue in which generations wait for their tokens", .timeLimit(.minutes(5)))
struct ChoiceQueueTests {
  private struct Refusal: Error {}

  let head: LanguageModelHead
  let states: HiddenStates

  init() throws {
    let model = try TinyModel()
    head = LanguageModelHead(model.checkpoint)
    states = try model.hidden("case3.embeddings")
  }

  private func queue() -> (SamplingBatcher, Rounds) {
    let (rounds, head) = (Rounds(), head)
    let queue = SamplingBatcher(submit: { rounds.submit($0) }) {
      try head.logitsSync($0, lastOnly: false)
    }
    return (queue, rounds)
  }

  private func state(_ number: Int) -> HiddenStates {
    let row = number % states.tokens
    return states.slice(row..<row + 1)
  }

  @Test("Scores that are made together are those of a generation alone", arguments: [1, 2, 5, 16])
  func together(_ count: Int) async throws {
    let (queue, rounds) = queue()
    let choices = (0..<count).map { number in
      Task {
        try await queue.choose(after: state(number)) { scores in
          // The scores themselves, where the next input would be.
          .init(
            id: Int32(number),
            embedding: try HiddenStates(
              tokens: 1, hidden: scores.count, values: Array(scores)))
        }
      }
    }
    try await queue.waitUntilWaiting(count)
    try await rounds.run()
    for (number, choice) in choices.enumerated() {
      let (id, found) = (try await choice.value.id, try await choice.value.embedding.values)
      let alone = try await head.logits(state(number)).values
      #expect(id == number)
      let closeness = Closeness(of: found, to: alone)
      #expect(
        closeness.worst <= Closeness.float32, "generation \(number) of \(count): \(closeness)")
    }
  }

  /// True where the code of a task runs that was given it, and false on a compute thread.
  @TaskLocal private static var isCaller = false

  @Test(
    "Scores are computed where they are asked for when waking another thread takes longer, and only then",
    arguments: [(1, true), (ComputePool.smallWork, true), (ComputePool.smallWork + 1, false)])
  func small(_ multiplications: Int, _ isHere: Bool) async throws {
    let head = head
    let queue = SamplingBatcher(multiplications: multiplications) {
      try head.logitsSync($0, lastOnly: false)
    }
    let scored = try await Self.$isCaller.withValue(true) {
      try await queue.choose(after: state(0)) { scores in
        .init(
          id: Self.isCaller ? 1 : 0,
          embedding: try HiddenStates(tokens: 1, hidden: scores.count, values: Array(scores)))
      }
    }
    #expect(scored.id == (isHere ? 1 : 0))
    #expect(try await scored.embedding.values == head.logits(state(0)).values)
    #expect(queue.batches == 1)
  }

  @Test("More than a round takes wait for the next one")
  func nextRound() async throws {
    let (queue, rounds) = queue()
    let count = SamplingBatcher.maxRows + 3
    let choices = (0..<count).map { number in
      Task {
        try await queue.choose(after: state(number)) { _ in
          .init(id: Int32(number), embedding: state(number))
        }
      }
    }
    try await queue.waitUntilWaiting(count)
    try await rounds.run()
    try await queue.waitUntilWaiting(3)
    try await rounds.run()
    for (number, choice) in choices.enumerated() {
      #expect(try await choice.value.id == number)
    }
  }

  @Test("One that is cancelled or fails does not disturb the others")
  func others() async throws {
    let (queue, rounds) = queue()
    let choices = (0..<3).map { number in
      Task {
        try await queue.choose(after: state(number)) { _ in
          if number == 1 { throw Refusal() }
          return .init(id: Int32(number), embedding: state(number))
        }
      }
    }
    try await queue.waitUntilWaiting(3)
    choices[0].cancel()
    await #expect(throws: CancellationError.self) { try await choices[0].value }
    try await rounds.run()
    await #expect(throws: Refusal.self) { try await choices[1].value }
    #expect(try await choices[2].value.id == 2)
  }
}

/// Rounds of a queue, each computed when the test says so.
final class Rounds: Sendable {
  private let jobs = Journal<@Sendable () -> ComputePool.Continuation>()
  private let begun = Atomic(0)

  /// Takes what the queue would hand to compute threads.
  func submit(_ job: @escaping @Sendable () -> ComputePool.Continuation) {
    jobs.record(job)
  }

  /// Computes one round.
  ///
  /// A step is among those that wait a moment before the queue asks for its round: that is waited
  /// for.
  func run() async throws {
    let number = begun.add(1, ordering: .relaxed).oldValue
    let job = try await jobs.next(after: number)
    if job() == .again { submit(job) }
  }
}
