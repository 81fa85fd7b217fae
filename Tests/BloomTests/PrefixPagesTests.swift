import Bloom
import Foundation
import TestSupport
import Testing

@Suite("Prompts that begin alike")
struct PrefixPagesTests {
  private static let megabytes = 1 << 20

  private func keys(_ ids: [Int32]) -> [PrefixPages.Key] {
    ids.withUnsafeBytes { PrefixPages.keys("ids", of: $0, bytesPerToken: 4) }
  }

  @Test("A key depends on its page, on all before it, and on what the pages are of")
  func keys() {
    let ids = TinyModel.prompt(200)
    #expect(keys(ids).count == 3)
    #expect(keys(Array(ids.prefix(130))) == Array(keys(ids).prefix(2)))
    var other = ids
    other[70] += 1
    #expect(zip(keys(ids), keys(other)).map { $0 == $1 } == [true, false, false])
    let elsewhere = ids.withUnsafeBytes { PrefixPages.keys("other", of: $0, bytesPerToken: 4) }
    #expect(zip(keys(ids), elsewhere).allSatisfy { $0 != $1 })
    #expect(keys(Array(ids.prefix(63))).isEmpty)
  }

  @Test("What goes on behind pages is, to the last bit, what goes on behind the tokens themselves")
  func bits() async throws {
    let shard = try TinyModel.shard(0..<6)
    let states = try Embedding(TinyModel.checkpoint())(TinyModel.prompt(150))
    let first = shard.makeCache(maximumLength: 200)
    _ = try await shard.forward(states, cache: first)
    let pages = [0..<64, 64..<128].map { PrefixPages.Page(keyValues: first.page(of: $0)) }
    let second = shard.makeCache(maximumLength: 160)
    try second.append(pages)
    #expect(second.position == 128)
    try first.truncate(to: 128)
    let rest = states.slice(128..<150)
    let expected = try await shard.forward(rest, cache: first)
    #expect(try await shard.forward(rest, cache: second).values == expected.values)
    // The pages are as they were: a third one goes on in another way.
    let third = shard.makeCache(maximumLength: 129)
    try third.append(pages)
    #expect(throws: CacheError.self) { try third.append(pages) }
    let single = try await shard.forward(states.slice(128..<129), cache: third)
    let whole = try await shard.forward(states.slice(0..<129))
    expectClose(single.values, whole.slice(128..<129).values, tolerance: 2e-5, "one token")
  }

  @Test("Equal beginnings are computed once, in whole pages, and ids stay the same")
  func generation() async throws {
    let plain = LocalGenerator(try TinyModel.checkpoint())
    let generator = LocalGenerator(
      try TinyModel.checkpoint(), prefixBudget: 64 * Self.megabytes)
    let prompt = TinyModel.prompt(200)
    var usage = PrefixUsage()
    func expect(_ ids: [Int32], reused: Int, _ what: String) async throws {
      let request = GenerationRequest(prompt: ids, maxNewTokens: 9)
      let found = try await generator.generate(request).ids
      #expect(try await found == plain.generate(request).ids, "\(what)")
      #expect(generator.prefixUsage.reusedTokens - usage.reusedTokens == reused, "\(what)")
      #expect(
        generator.prefixUsage.computedTokens - usage.computedTokens == ids.count - reused,
        "\(what)")
      usage = generator.prefixUsage
    }
    try await expect(prompt, reused: 0, "the first one")
    #expect(usage.pages == 3 && usage.hits == 0)
    try await expect(prompt, reused: 192, "the same")
    try await expect(Array(prompt.prefix(150)) + [7, 8], reused: 128, "one that parts")
    try await expect(Array(prompt.prefix(128)), reused: 64, "the last page has the last id")
    try await expect([9] + prompt, reused: 0, "one that is moved")
    try await expect(Array(prompt.prefix(64)), reused: 0, "too short")
    try await expect(prompt + TinyModel.prompt(400), reused: 192, "one that is longer than a chunk")
    #expect(usage.hits == 4)
    #expect(plain.prefixUsage == PrefixUsage())
  }

  @Test("A draft does not mind where a prompt began")
  func draft() async throws {
    let target = try TinyModel.checkpoint()
    let generator = LocalGenerator(target, prefixBudget: 64 * Self.megabytes)
    let draft = try DraftModel(target, for: target)
    let request = GenerationRequest(prompt: TinyModel.prompt(100), maxNewTokens: 12)
    let ids = try await generator.generate(request).ids
    #expect(try await generator.generate(request, draft: draft).ids == ids)
    #expect(generator.prefixUsage.reusedTokens == 64)
  }

  @Test("Beyond the budget the page goes that was unused for longest, never one before another")
  func eviction() async throws {
    let checkpoint = try TinyModel.checkpoint()
    let probe = LocalGenerator(checkpoint, prefixBudget: 64 * Self.megabytes)
    func run(_ generator: LocalGenerator, _ ids: [Int32]) async throws -> Int {
      let before = generator.prefixUsage.reusedTokens
      _ = try await generator.generate(GenerationRequest(prompt: ids, maxNewTokens: 1))
      return generator.prefixUsage.reusedTokens - before
    }
    let (first, second) = (TinyModel.prompt(129), TinyModel.prompt(129, from: 50))
    _ = try await run(probe, first)
    let page = probe.prefixUsage.bytes / 2
    let generator = LocalGenerator(checkpoint, prefixBudget: 3 * page)
    #expect(try await run(generator, first) == 0)
    #expect(try await run(generator, second) == 0)
    #expect(generator.prefixUsage.pages == 3 && generator.prefixUsage.bytes == 3 * page)
    // The second page of the first prompt is gone, not the one before it.
    #expect(try await run(generator, second) == 128)
    #expect(try await run(generator, first) == 64)
    #expect(generator.prefixUsage.bytes <= 3 * page)
    let none = LocalGenerator(checkpoint, prefixBudget: page - 1)
    #expect(try await run(none, first) == 0)
    #expect(try await run(none, first) == 0)
    #expect(none.prefixUsage.pages == 0 && none.prefixUsage.bytes == 0)
  }
}
