import Bloom
import Foundation
import TestSupport
import TestVectors
import Testing

/// Keys and values in 16 bits, beside those in 32.
@Suite("Caches of 16 bits")
struct HalfCacheTests {
  /// How far any logit may lie from the reference's, relative to the largest one.
  private static let tolerance: Float = 3e-3
  /// How far two ways of computing the same may: what differs by a rounding error may be stored as neighbours.
  private static let waysTolerance: Float = 3e-4

  private func shard(_ range: Range<Int>) throws -> Shard {
    try Shard(
      TinyModel.checkpoint(), blocks: BlockRange(range, of: 24), cacheType: .f16)
  }

  private func embedded(_ tokens: Int) throws -> HiddenStates {
    try Embedding(TinyModel.checkpoint())(TinyModel.prompt(tokens))
  }

  @Test("They take half the bytes")
  func bytes() async throws {
    let shard = try shard(0..<6)
    // Keys lie in panels of 16 tokens.
    let cache = shard.makeCache(maximumLength: 20)
    // Keys and values, six blocks, 64 numbers of two bytes.
    #expect(cache.type == .f16 && shard.bytesPerCachedToken == 2 * 6 * 64 * 2)
    #expect(cache.byteCount == 32 * shard.bytesPerCachedToken)
    _ = try await shard.forward(embedded(3), cache: cache)
    #expect(cache.usedByteCount == 3 * shard.bytesPerCachedToken)
    let part = try #require(shard.part(BlockRange(2..<4, of: 24)))
    #expect(part.cacheType == .f16 && part.bytesPerCachedToken == shard.bytesPerCachedToken / 3)
    let floats = try TinyModel.shard(0..<6)
    #expect(floats.cacheType == .f32)
    #expect(floats.bytesPerCachedToken == 2 * shard.bytesPerCachedToken)
  }

  @Test("Logits lie near the reference's, and are not those of 32 bits", arguments: GoldenCase.all)
  func logits(_ golden: GoldenCase) async throws {
    let model = try GoldenModel.of(golden.model)
    let states = try Embedding(model.checkpoint)(model.ids("\(golden.name).input_ids"))
    func logits(_ type: CacheType) async throws -> [Float] {
      let shard = try Shard(
        model.checkpoint, blocks: BlockRange(all: model.blockCount), cacheType: type)
      return try await LanguageModelHead(model.checkpoint).logits(shard.forward(states)).values
    }
    let found = try await logits(.f16)
    expectClose(
      found, try model.expected.floats("\(golden.name).logits"), tolerance: Self.tolerance,
      golden.testDescription)
    #expect(try await logits(.f32) != found)
  }

  @Test("Greedy decoding generates the reference's ids", arguments: GoldenCase.all)
  func generation(_ golden: GoldenCase) async throws {
    let model = try GoldenModel.of(golden.model)
    let expected = try model.ids("\(golden.name).generated_ids")
    let generator = LocalGenerator(model.checkpoint, cacheType: .f16)
    let request = GenerationRequest(
      prompt: try model.ids("\(golden.name).input_ids"), maxNewTokens: expected.count)
    #expect(generator.cacheType == .f16)
    #expect(try await generator.generate(request).ids == expected)
  }

  @Test("One token at a time, a few, a batch and a whole prompt agree")
  func ways() async throws {
    let shard = try shard(0..<6)
    let states = try embedded(40)
    let whole = try await shard.forward(states)
    for step in [1, 5] {
      let cache = shard.makeCache(maximumLength: 40)
      var found: [Float] = []
      for first in stride(from: 0, to: 40, by: step) {
        found += try await shard.forward(states.slice(first..<first + step), cache: cache).values
      }
      expectClose(found, whole.values, tolerance: Self.waysTolerance, "\(step) at a time")
    }
    // Sessions of both types in one batch.
    let floats = try TinyModel.shard(0..<6)
    let caches = [shard.makeCache(maximumLength: 40), floats.makeCache(maximumLength: 40)]
    let batch = try await shard.forward(
      batch: caches.map { SessionStep(input: states, cache: $0) })
    expectClose(batch[0].values, whole.values, tolerance: Self.waysTolerance, "16 bits")
    expectClose(
      batch[1].values, try await floats.forward(states).values, tolerance: 2e-5, "32 bits")
  }

  @Test("What was cut back and filled again, and a copy, go on to the last bit alike")
  func truncation() async throws {
    let shard = try shard(0..<3)
    let states = try embedded(90)
    let cache = shard.makeCache(maximumLength: 100)
    _ = try await shard.forward(states.slice(0..<70), cache: cache)
    let copy = try cache.copy()
    let shorter = try cache.copy(of: 50, maximumLength: 60)
    #expect(copy.type == .f16 && shorter.type == .f16)
    let first = try await shard.forward(states.slice(70..<80), cache: cache)
    #expect(try await shard.forward(states.slice(70..<80), cache: copy) == first)
    try cache.truncate(to: 70)
    _ = try await shard.forward(states.slice(80..<90), cache: cache)
    try cache.truncate(to: 70)
    #expect(try await shard.forward(states.slice(70..<80), cache: cache) == first)
    try cache.truncate(to: 50)
    let second = try await shard.forward(states.slice(80..<90), cache: cache)
    #expect(try await shard.forward(states.slice(80..<90), cache: shorter) == second)
  }

  @Test("Pages keep the cache's type, and no cache takes those of another one")
  func pages() async throws {
    let shard = try shard(0..<6)
    let states = try embedded(150)
    let first = shard.makeCache(maximumLength: 200)
    _ = try await shard.forward(states, cache: first)
    let pages = [0..<64, 64..<128].map { PrefixPages.Page(keyValues: first.page(of: $0)) }
    let second = shard.makeCache(maximumLength: 160)
    try second.append(pages)
    try first.truncate(to: 128)
    let rest = states.slice(128..<150)
    let expected = try await shard.forward(rest, cache: first)
    #expect(try await shard.forward(rest, cache: second) == expected)
    let floats = try TinyModel.shard(0..<6).makeCache(maximumLength: 160)
    #expect(throws: CacheError.otherType(expected: .f32, found: .f16)) { try floats.append(pages) }
    #expect(floats.position == 0)
  }

  @Test("Prompts that begin alike share pages of half the size, and ids stay the same")
  func prefixes() async throws {
    let prompt = TinyModel.prompt(200)
    var bytes: [Int] = []
    for type in CacheType.allCases {
      let plain = LocalGenerator(try TinyModel.checkpoint(), cacheType: type)
      let generator = LocalGenerator(
        try TinyModel.checkpoint(), prefixBudget: 64 << 20, cacheType: type)
      for ids in [prompt, prompt, Array(prompt.prefix(150)) + [7, 8]] {
        let request = GenerationRequest(prompt: ids, maxNewTokens: 9)
        let found = try await generator.generate(request).ids
        #expect(try await plain.generate(request).ids == found)
      }
      #expect(generator.prefixUsage.reusedTokens == 192 + 128)
      bytes.append(generator.prefixUsage.bytes / generator.prefixUsage.pages)
    }
    // Beside keys and values, the bounds of the lengths of 24 x 4 heads' keys.
    let bounds = 24 * 4 * 4
    #expect(bytes[0] - bounds == 2 * (bytes[1] - bounds))
  }

  @Test("A draft in 16 bits proposes what the same model in 16 bits takes")
  func draft() async throws {
    let target = try TinyModel.checkpoint()
    let generator = LocalGenerator(target, cacheType: .f16)
    let draft = try DraftModel(target, for: target, cacheType: .f16)
    let request = GenerationRequest(prompt: TinyModel.prompt(30), maxNewTokens: 12)
    let found = try await generator.generate(request, draft: draft)
    #expect(try await generator.generate(request).ids == found.ids)
    #expect(found.draft?.accepted == found.draft?.proposed)
  }
}

/// What does not fit 16 bits.
@Suite("The range of caches of 16 bits")
struct HalfCacheRangeTests {
  /// One head's key is the row from 3 on, of two heads of three elements each; its value that from 6 on.
  private static let bias = "h.0.self_attention.query_key_value.bias"

  private func shard(_ index: Int, _ value: Float, _ type: CacheType) async throws -> Shard {
    var checkpoint = SmallCheckpoint()
    checkpoint.set(Self.bias, index, to: value)
    return try Shard(await checkpoint.opened(), blocks: BlockRange(all: 1), cacheType: type)
  }

  @Test(
    "A key or a value that does not fit ends the pass by name, and the cache holds what it held",
    arguments: [3, 8, 12, 17], [70000, -1e9] as [Float])
  func refused(_ index: Int, _ value: Float) async throws {
    let shard = try await shard(index, value, .f16)
    let states = try Embedding(shard.checkpoint)([4, 5, 6])
    let cache = shard.makeCache(maximumLength: 8)
    let error = try await #require(throws: CacheError.self) {
      try await shard.forward(states, cache: cache)
    }
    guard case .beyondRange(let magnitude) = error else {
      throw error
    }
    #expect(abs(magnitude - abs(value)) < abs(value) / 100)
    #expect("\(error)".contains("f16") && "\(error)".contains("f32"), "\(error)")
    #expect(cache.position == 0)
    let floats = try await self.shard(index, value, .f32)
    #expect(try await floats.forward(states).values.allSatisfy { $0.isFinite })
  }

  @Test("What just fits is stored", arguments: [3, 6])
  func largest(_ index: Int) async throws {
    let shard = try await shard(index, 65500, .f16)
    let found = try await shard.forward(Embedding(shard.checkpoint)([4, 5, 6]))
    #expect(found.values.allSatisfy { $0.isFinite })
  }

  @Test("A query may be as large as it likes")
  func query() async throws {
    let shard = try await shard(0, 1e6, .f16)
    let found = try await shard.forward(Embedding(shard.checkpoint)([4, 5, 6]))
    #expect(found.values.allSatisfy { $0.isFinite })
  }

  @Test("What is no number is none in 16 bits either", arguments: [3, 6])
  func notANumber(_ index: Int) async throws {
    var checkpoint = SmallCheckpoint()
    checkpoint.set(Self.bias, index, to: .nan)
    let generator = LocalGenerator(try await checkpoint.opened(), cacheType: .f16)
    await #expect(throws: ScoreError.self) {
      try await generator.generate(GenerationRequest(prompt: [4, 5, 6], maxNewTokens: 4))
    }
  }
}
