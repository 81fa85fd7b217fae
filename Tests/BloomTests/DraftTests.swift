import Bloom
import Foundation
import TestSupport
import TestVectors
import Testing

@Suite("Generation with a draft model")
struct DraftTests {
  /// The tiny model of another seed, or in other bits.
  private func withTiny<Result>(
    seed: UInt64, _ dtype: ElementType = .f16, _ body: (Checkpoint) async throws -> Result
  ) async throws -> Result {
    try await withTemporaryFolder { folder in
      let target = folder.appending(path: "draft")
      try ModelSynthesizer.synthesize(shape: .tiny, dtype: dtype, seed: seed, into: target)
      return try await body(Checkpoint(directory: target))
    }
  }

  @Test(
    "The highest scores give the same ids, whatever the draft is",
    arguments: [(0, .f16), (0, .q8), (0, .q4), (7, .f16)]
      as [(seed: UInt64, dtype: ElementType)],
    [1, 4, 16])
  func greedy(_ draft: (seed: UInt64, dtype: ElementType), _ tokens: Int) async throws {
    let target = try TinyModel.checkpoint()
    let generator = LocalGenerator(target)
    try await withTiny(seed: draft.seed, draft.dtype) { checkpoint in
      let draft = try DraftModel(checkpoint, for: target, tokens: tokens)
      for (length, penalty) in [(1, 1), (9, 1.3), (300, 1)] as [(Int, Float)] {
        let request = GenerationRequest(
          prompt: TinyModel.prompt(length), maxNewTokens: 23,
          sampling: try SamplingParameters(repetitionPenalty: penalty))
        let expected = try await generator.generate(request)
        let found = try await generator.generate(request, draft: draft)
        #expect(found.ids == expected.ids, "\(length) tokens")
        #expect(expected.draft == nil)
        let statistics = try #require(found.draft)
        // Each pass gives what it accepts, and one more; a last token may be left for a pass of its own.
        let rest = found.ids.count - 1 - statistics.accepted - statistics.passes
        #expect(rest == 0 || rest == 1)
        #expect(statistics.accepted <= statistics.proposed)
        #expect(statistics.proposed <= tokens * statistics.passes)
      }
    }
  }

  @Test("All that a model proposes to itself is accepted, so that passes are few")
  func itself() async throws {
    let target = try TinyModel.checkpoint()
    let draft = try DraftModel(target, for: target, tokens: 4)
    let found = try await LocalGenerator(target).generate(
      GenerationRequest(prompt: TinyModel.prompt(5), maxNewTokens: 21), draft: draft)
    let statistics = try #require(found.draft)
    #expect(statistics.passes == 4)
    #expect(statistics.proposed == 16 && statistics.accepted == 16 && statistics.acceptance == 1)
  }

  @Test("The draft computes the context once, and what was rejected again")
  func computedTokens() async throws {
    let target = try TinyModel.checkpoint()
    let draft = try DraftModel(target, for: target, tokens: 4)
    let session = draft.makeSession(.greedy, seed: 0, maximumLength: 400)
    let prompt = TinyModel.prompt(300)
    let first = try await session.propose(after: prompt, count: 4).map(\.id)
    #expect(first.count == 4)
    // The last proposal is not computed.
    #expect(session.computedTokens == 303)
    _ = try await session.propose(after: prompt + first + [5], count: 2)
    #expect(session.computedTokens == 303 + 2 + 1)
    // Another token in place of the third: that, and one proposal.
    _ = try await session.propose(after: prompt + first[..<2] + [5], count: 2)
    #expect(session.computedTokens == 306 + 2)
    #expect(try await session.propose(after: prompt, count: 0).isEmpty)
  }

  @Test("A draft that allows fewer tokens proposes none beyond them")
  func shortDraft() async throws {
    var small = SmallCheckpoint()
    small.fields["seq_length"] = "12"
    small.fields["eos_token_id"] = nil
    let short = try await small.opened()
    small.fields["seq_length"] = "64"
    let target = try await small.opened()
    let request = GenerationRequest(prompt: [5, 6, 7, 8], maxNewTokens: 40)
    let expected = try await LocalGenerator(target).generate(request)
    let found = try await LocalGenerator(target).generate(
      request, draft: DraftModel(short, for: target, tokens: 4))
    #expect(found.ids == expected.ids && found.ids.count == 40)
    let statistics = try #require(found.draft)
    // Contexts of 5 and 10 tokens have place for 4 and 3 proposals.
    #expect(statistics.proposed == 7)
  }

  @Test("An id that ends a sequence ends it, proposed or not", arguments: 0..<6)
  func endOfSequence(_ position: Int) async throws {
    var small = SmallCheckpoint()
    small.fields["eos_token_id"] = nil
    let endless = try await small.opened()
    let request = GenerationRequest(prompt: [5, 6, 7], maxNewTokens: 6)
    let ids = try await LocalGenerator(endless).generate(request).ids
    try #require(ids.count == 6)
    small.fields["eos_token_id"] = "\(ids[position])"
    let target = try await small.opened()
    for draft in [endless, target] {
      let found = try await LocalGenerator(target).generate(
        request, draft: DraftModel(draft, for: target, tokens: 3))
      #expect(found.ids == Array(ids.prefix { $0 != ids[position] }))
    }
  }

  @Test("A draft with another vocabulary, and numbers of tokens that are none, are refused by name")
  func refusals() async throws {
    let target = try TinyModel.checkpoint()
    let small = try await SmallCheckpoint().opened()
    let error = try #require(throws: DraftError.self) { try DraftModel(small, for: target) }
    #expect("\(error)".contains("vocabulary of 10 tokens") && "\(error)".contains("512"))
    let draft = try DraftModel(small, for: small)
    await #expect(throws: DraftError.self) {
      try await LocalGenerator(target).generate(
        GenerationRequest(prompt: [5], maxNewTokens: 3), draft: draft)
    }
    for count in [0, 17] {
      #expect(throws: DraftError.tokens(count)) {
        try DraftModel(target, for: target, tokens: count)
      }
    }
  }
}

/// Ids by chance: their distribution is the target model's, counted over seeds.
@Suite("Speculative sampling")
struct SpeculativeSamplingTests {
  private static let samplings: [(Float, Int, Float, Float)] = [
    (1, 0, 1, 1), (0.7, 0, 1, 1), (1.3, 4, 1, 1), (1, 0, 0.8, 1), (0.9, 0, 0.9, 1.4),
  ]

  /// Scores without a pattern.
  private func scores(_ seed: UInt64) -> [Float] { numbers(9, seed: seed, scale: 2) }

  /// Pearson's sum over the counts of outcomes whose probabilities are known.
  private func deviation(_ counts: [Int], _ probabilities: [Double], of total: Int) -> Double {
    zip(counts, probabilities).reduce(0) { sum, pair in
      let expected = pair.1 * Double(total)
      guard expected > 0 else { return pair.0 == 0 ? sum : .infinity }
      return sum + (Double(pair.0) - expected) * (Double(pair.0) - expected) / expected
    }
  }

  @Test(
    "A token that is proposed and decided on has the target's distribution", arguments: samplings)
  func token(_ temperature: Float, _ topK: Int, _ topP: Float, _ penalty: Float) throws {
    let sampling = try SamplingParameters(
      temperature: temperature, topK: topK, topP: topP, repetitionPenalty: penalty)
    let (own, other) = (scores(3), scores(8))
    let context: [Int32] = [1, 4, 4]
    let total = 20_000
    var (plain, decided) = ([Int](repeating: 0, count: 9), [Int](repeating: 0, count: 9))
    var accepted = 0
    for seed in 0..<UInt64(total) {
      var sampler = Sampler(sampling, seed: seed)
      plain[Int(try sampler.choose(logits: own[...], context: context))] += 1
      var target = Sampler(sampling, seed: seed)
      var draft = Sampler(sampling, seed: seed &+ 0x5555_5555)
      let (id, isAccepted) = try other.withUnsafeBufferPointer { other in
        try own.withUnsafeBufferPointer { own in
          try target.decide(
            on: draft.propose(logits: other, context: context), logits: own, context: context)
        }
      }
      decided[Int(id)] += 1
      accepted += isAccepted ? 1 : 0
    }
    // What the plain choice says of these scores, made a distribution, is what both are held against.
    let exact = probabilities(sampling, own, context)
    // With 8 degrees of freedom, 26 is passed once in a thousand times; the seeds are always the same.
    #expect(deviation(plain, exact, of: total) < 26)
    #expect(deviation(decided, exact, of: total) < 26, "\(decided) of \(exact)")
    #expect(accepted > 0 && accepted < total)
    // The share that is accepted is what both distributions have in common.
    let common = zip(exact, probabilities(sampling, other, context))
      .reduce(0) { $0 + min($1.0, $1.1) }
    #expect(abs(Double(accepted) / Double(total) - common) < 0.015)
  }

  /// The distribution by the definition of the parameters, in double precision.
  private func probabilities(
    _ sampling: SamplingParameters, _ scores: [Float], _ context: [Int32]
  ) -> [Double] {
    var values = scores.map(Double.init)
    for token in Set(context) {
      let score = values[Int(token)]
      let penalty = Double(sampling.repetitionPenalty)
      values[Int(token)] = score < 0 ? score * penalty : score / penalty
    }
    var weights = values.map { exp($0 / Double(sampling.temperature)) }
    let order = weights.indices.sorted { weights[$0] > weights[$1] }
    if sampling.topK > 0 { for token in order.dropFirst(sampling.topK) { weights[token] = 0 } }
    let sum = weights.reduce(0, +)
    var reached = 0.0
    for token in order {
      if reached >= Double(sampling.topP) * sum { weights[token] = 0 }
      reached += weights[token]
    }
    let rest = weights.reduce(0, +)
    return weights.map { $0 / rest }
  }

  @Test("Texts of a model with a draft are as frequent as those without one")
  func texts() async throws {
    var small = SmallCheckpoint()
    small.fields["eos_token_id"] = nil
    let target = try await small.opened()
    // The draft is the same model with a changed embedding, which is its head too.
    for index in 0..<60 where index % 3 == 0 {
      small.set("word_embeddings.weight", index, to: Float(index % 7 - 3) / 4)
    }
    let draft = try DraftModel(await small.opened(), for: target, tokens: 2)
    let generator = LocalGenerator(target)
    let sampling = try SamplingParameters(temperature: 0.9)
    let total = 4_000
    var counts: [[Int32]: (plain: Int, drafted: Int)] = [:]
    var statistics = DraftStatistics()
    for seed in 0..<UInt64(total) {
      let request = GenerationRequest(
        prompt: [5, 6], maxNewTokens: 4, sampling: sampling, seed: seed)
      let plain = try await generator.generate(request)
      counts[Array(plain.ids.dropFirst()), default: (0, 0)].plain += 1
      let drafted = try await generator.generate(request, draft: draft)
      counts[Array(drafted.ids.dropFirst()), default: (0, 0)].drafted += 1
      statistics.count(
        proposed: drafted.draft?.proposed ?? 0, accepted: drafted.draft?.accepted ?? 0)
    }
    #expect(statistics.accepted > total / 4 && statistics.acceptance < 0.95, "\(statistics)")
    // Two samples of one distribution: rare texts count as one.
    let groups = counts.values.filter { $0.plain + $0.drafted >= 20 }
    let rest = counts.values.filter { $0.plain + $0.drafted < 20 }
      .reduce((plain: 0, drafted: 0)) { ($0.plain + $1.plain, $0.drafted + $1.drafted) }
    let sum = (groups + [rest]).reduce(0.0) { sum, count in
      guard count.plain + count.drafted > 0 else { return sum }
      let difference = Double(count.plain - count.drafted)
      return sum + difference * difference / Double(count.plain + count.drafted)
    }
    // Its mean is the number of groups, its deviation the square root of twice that.
    let degrees = Double(groups.count)
    #expect(groups.count > 5)
    #expect(sum < degrees + 4 * (2 * degrees).squareRoot(), "\(sum) of \(degrees)")
  }

  @Test("Scores that are no numbers are refused in a proposal and in a decision")
  func notFinite() throws {
    var sampler = Sampler(try SamplingParameters(temperature: 1))
    let good: [Float] = [1, 2]
    let bad: [Float] = [1, .nan]
    let proposal = try good.withUnsafeBufferPointer { try sampler.propose(logits: $0, context: []) }
    #expect(throws: ScoreError.self) {
      try bad.withUnsafeBufferPointer { try sampler.propose(logits: $0, context: []) }
    }
    #expect(throws: ScoreError.self) {
      try bad.withUnsafeBufferPointer { try sampler.decide(on: proposal, logits: $0, context: []) }
    }
  }
}
