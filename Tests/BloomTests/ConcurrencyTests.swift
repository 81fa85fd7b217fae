import Bloom
import Foundation
import Synchronization
import TestSupport
import Testing

@Suite("Concurrent sessions")
struct ConcurrencyTests {
  @Test("Sessions at the same time do not mix")
  func sessions() async throws {
    let generator = LocalGenerator(try TinyModel.checkpoint())
    let requests = (0..<8).map {
      GenerationRequest(prompt: TinyModel.prompt(3 + $0, from: Int32($0)), maxNewTokens: 6)
    }
    var alone: [[Int32]] = []
    for request in requests { alone.append(try await generator.generate(request).ids) }
    let together = try await withThrowingTaskGroup(of: (Int, [Int32]).self) { group in
      for (index, request) in requests.enumerated() {
        group.addTask { (index, try await generator.generate(request).ids) }
      }
      return try await group.reduce(into: [Int: [Int32]]()) { $0[$1.0] = $1.1 }
    }
    for (index, ids) in alone.enumerated() { #expect(together[index] == ids) }
  }

  #if os(Linux)
    @Test("Compute threads have names of their own")
    func threadNames() async throws {
      let name = try await ComputePool.shared.run { _ in
        try String(contentsOfFile: "/proc/thread-self/comm", encoding: .utf8)
      }
      let index = try #require(Int(name.dropFirst("bloom-".count).dropLast()), "\(name)")
      #expect(name == "bloom-\(index)\n")
      #expect((0..<ComputePool.shared.threads).contains(index))
    }
  #endif

  @Test("Steps of a batch equal steps alone, at every size", arguments: [2, 3, 5, 13])
  func batches(_ count: Int) async throws {
    let shard = try TinyModel.shard(4..<8)
    let embedding = Embedding(try TinyModel.checkpoint())
    var steps: [SessionStep] = []
    var alone: [HiddenStates] = []
    for session in 0..<count {
      // Prefixes of different lengths, then one token each.
      let prefix = try embedding(TinyModel.prompt(1 + session % 4, from: Int32(session)))
      let token = try embedding([Int32(20 + session)])
      let cache = shard.makeCache(maximumLength: 8)
      let own = shard.makeCache(maximumLength: 8)
      _ = try await shard.forward(prefix, cache: cache)
      _ = try await shard.forward(prefix, cache: own)
      steps.append(SessionStep(input: token, cache: cache))
      alone.append(try await shard.forward(token, cache: own))
    }
    let together = try await shard.forward(batch: steps)
    for (found, expected) in zip(together, alone) {
      expectClose(found.values, expected.values, tolerance: 2e-5, "a batch of \(count)")
    }
    #expect(try await shard.forward(batch: []) == [])
  }

  @Test("A cancelled generation ends, and others go on")
  func cancellation() async throws {
    let generator = LocalGenerator(try TinyModel.checkpoint())
    let request = GenerationRequest(prompt: TinyModel.prompt(4), maxNewTokens: 2000)
    let (made, make) = AsyncStream.makeStream(of: Task<Generation, any Error>.self)
    let own = Mutex<Task<Generation, any Error>?>(nil)
    let task = Task {
      // Cancelled from its own callback: whoever waited for a token might come too late.
      for await task in made {
        own.withLock { $0 = task }
        break
      }
      return try await generator.generate(request) { _ in own.withLock { $0?.cancel() } }
    }
    make.yield(task)
    await #expect(throws: CancellationError.self) { try await task.value }
    let short = GenerationRequest(prompt: TinyModel.prompt(4), maxNewTokens: 2)
    #expect(try await generator.generate(short).ids.count == 2)
  }

  @Test("A cancelled pass leaves its cache where it was")
  func cancelledPass() async throws {
    let shard = try TinyModel.shard(0..<24)
    let states = try Embedding(TinyModel.checkpoint())(TinyModel.prompt(3))
    let cache = shard.makeCache(maximumLength: 8)
    let task = Task {
      // Cancelled before it starts, so that the outcome does not hang on timing.
      while !Task.isCancelled { await Task.yield() }
      return try await shard.forward(states, cache: cache)
    }
    task.cancel()
    await #expect(throws: CancellationError.self) { try await task.value }
    #expect(cache.position == 0)
    _ = try await shard.forward(states, cache: cache)
    #expect(cache.position == 3)
  }

  @Test("A pool without threads has the steps of its jobs run where it says")
  func poolWithoutThreads() async throws {
    let steps = Mutex(0)
    let pool = ComputePool { step in
      steps.withLock { $0 += 1 }
      step()
    }
    let generator = LocalGenerator(try TinyModel.checkpoint())
    let request = GenerationRequest(prompt: TinyModel.prompt(3), maxNewTokens: 4)
    let expected = try await generator.generate(request).ids
    #expect(steps.withLock { $0 } == 0)
    let ids = try await ComputePool.$current.withValue(pool) {
      try await generator.generate(request).ids
    }
    #expect(ids == expected)
    // A step for the prompt, and one for each token but the last.
    #expect(steps.withLock { $0 } == 4)
  }
}
