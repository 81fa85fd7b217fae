import Bloom
import Foundation
import Testing

@Suite("Sampler")
struct SamplerTests {
  /// How often each token is drawn, as a share of `draws`.
  private func shares(
    _ logits: [Float], _ parameters: SamplingParameters, context: [Int32] = [],
    draws: Int = 20_000
  ) -> [Double] {
    var sampler = Sampler(parameters, seed: 7)
    var counts = [Int](repeating: 0, count: logits.count)
    for _ in 0..<draws { counts[Int(sampler.next(logits: logits, context: context))] += 1 }
    return counts.map { Double($0) / Double(draws) }
  }

  private func softmax(_ logits: [Double]) -> [Double] {
    let weights = logits.map { exp($0 - (logits.max() ?? 0)) }
    let sum = weights.reduce(0, +)
    return weights.map { $0 / sum }
  }

  private func expectShares(_ found: [Double], _ expected: [Double]) {
    for (token, pair) in zip(found, expected).enumerated() {
      // Four standard deviations of 20 000 draws.
      let allowed = 4 * (pair.1 * (1 - pair.1) / 20_000).squareRoot() + 1e-9
      #expect(abs(pair.0 - pair.1) <= allowed, "token \(token): \(pair.0), not \(pair.1)")
    }
  }

  @Test("Greedy takes the highest score, the lower id of equals")
  func greedy() {
    var sampler = Sampler(.greedy)
    #expect(sampler.next(logits: [1, 5, 3], context: []) == 1)
    #expect(sampler.next(logits: [2, 7, 7, 7], context: []) == 1)
    #expect(sampler.next(logits: [-3], context: []) == 0)
    let long = (0..<5000).map { Float($0 == 4099 ? 2 : -1) }
    #expect(sampler.next(logits: long, context: []) == 4099)
  }

  @Test("Draws follow the softmax of scores over the temperature", arguments: [0.5, 1, 2])
  func temperature(_ temperature: Float) throws {
    let logits: [Float] = [0, 1, 2, -1]
    let parameters = try SamplingParameters(temperature: temperature)
    expectShares(
      shares(logits, parameters), softmax(logits.map { Double($0) / Double(temperature) }))
  }

  @Test("Top-p keeps the smallest set that reaches it, renormalised")
  func topP() throws {
    let logits = [0.5, 0.3, 0.15, 0.05].map { Float(log($0)) }
    for (topP, expected) in [
      (Float(0.4), [1, 0, 0, 0]), (0.6, [0.625, 0.375, 0, 0]),
      (0.9, [0.5 / 0.95, 0.3 / 0.95, 0.15 / 0.95, 0]), (0.99, [0.5, 0.3, 0.15, 0.05]),
    ] {
      expectShares(shares(logits, try SamplingParameters(temperature: 1, topP: topP)), expected)
    }
  }

  @Test("A set whose probability is exactly top-p is large enough, as in transformers")
  func topPAtTheEdge() throws {
    // Equal scores have weights of exactly 1, and these shares are exact in binary.
    for (count, topP, kept) in [(2, 0.5, 1), (4, 0.5, 2), (4, 0.75, 3), (8, 0.125, 1)]
      as [(Int, Float, Int)]
    {
      let found = shares(
        [Float](repeating: 0, count: count), try SamplingParameters(temperature: 1, topP: topP))
      expectShares(found, (0..<count).map { $0 < kept ? 1 / Double(kept) : 0 })
    }
  }

  @Test("Top-p counts probabilities after the temperature")
  func topPAfterTemperature() throws {
    let logits: [Float] = [2, 1, 0]
    // At temperature 2 the first token has 0.51 of the probability, at 1 it has 0.67.
    let found = shares(logits, try SamplingParameters(temperature: 2, topP: 0.6))
    let all = softmax([1, 0.5, 0])
    expectShares(found, [all[0] / (all[0] + all[1]), all[1] / (all[0] + all[1]), 0])
  }

  @Test("The repetition penalty divides positive scores and multiplies negative ones, once a token")
  func penalty() throws {
    let logits: [Float] = [2, -1, 0.5, 1.5]
    let parameters = try SamplingParameters(temperature: 1, repetitionPenalty: 2)
    expectShares(
      shares(logits, parameters, context: [0, 0, 1]), softmax([1, -2, 0.5, 1.5]))
    var greedy = Sampler(try SamplingParameters(repetitionPenalty: 2))
    #expect(greedy.next(logits: logits, context: [0]) == 3)
    #expect(greedy.next(logits: logits, context: []) == 0)
  }

  @Test(
    "Scores and parameters at the edge of numbers still give a token",
    arguments: [[.nan, .nan, .nan], [0, 0, 0], [.infinity, 0, 0], [3e38, -3e38, 0]] as [[Float]],
    [(.leastNonzeroMagnitude, 0.9), (.leastNonzeroMagnitude, 1), (1, 1e-30), (0.7, 0.9), (1, 1)]
      as [(Float, Float)])
  func edges(logits: [Float], parameters: (temperature: Float, topP: Float)) throws {
    var sampler = Sampler(
      try SamplingParameters(temperature: parameters.temperature, topP: parameters.topP))
    #expect(logits.indices.contains(Int(sampler.next(logits: logits, context: []))))
  }

  @Test(
    "Scores that are not all finite are refused, with the first that is not",
    arguments: [
      ([.nan, .nan, .nan], 0, "nan"), ([1, .infinity, .nan], 1, "inf"),
      ([-.infinity, -.infinity, -.infinity], 0, "-inf"), ([3, 2, 1, -.infinity], 3, "-inf"),
      ([1, -.nan, 9], 1, "nan"),
    ] as [([Float], Int32, String)],
    [(0, 1, 1), (0, 1, 1.3), (0.7, 1, 1), (0.7, 0.9, 1.2), (.leastNonzeroMagnitude, 1e-30, 1)]
      as [(Float, Float, Float)])
  func notFinite(
    scores: (logits: [Float], id: Int32, score: String),
    parameters: (temperature: Float, topP: Float, penalty: Float)
  ) throws {
    var sampler = Sampler(
      try SamplingParameters(
        temperature: parameters.temperature, topP: parameters.topP,
        repetitionPenalty: parameters.penalty))
    let error = try #require(throws: ScoreError.self) {
      try sampler.choose(logits: scores.logits[...], context: [0, 1])
    }
    #expect(error.id == scores.id && error.score == scores.score)
    #expect("\(error)".contains("not all finite: that of id \(scores.id) is \(scores.score)"))
  }

  @Test(
    "Finite scores that a penalty takes to the edge of numbers still choose by the largest",
    arguments: [0, 0.7], [1, 0.9] as [Float])
  func penaltyAtTheEdge(temperature: Float, topP: Float) throws {
    let parameters = try SamplingParameters(
      temperature: temperature, topP: topP, repetitionPenalty: .leastNonzeroMagnitude)
    var sampler = Sampler(parameters)
    // 1 / penalty is beyond any number, and so is that of 5, were it left to grow.
    #expect(try sampler.choose(logits: [0, 1, 5, -3], context: [1]) == 1)
    let strict = try SamplingParameters(
      temperature: temperature, topP: topP, repetitionPenalty: 100)
    sampler = Sampler(strict)
    let scores: [Float] = [-.greatestFiniteMagnitude, -.greatestFiniteMagnitude, -3e37]
    #expect(try sampler.choose(logits: scores[...], context: [0, 1]) == 2)
  }

  @Test("Top-k keeps the likeliest, and others as likely as the last of them")
  func topK() throws {
    let logits = [0.1, 0.3, 0.2, 0.2, 0.15, 0.05].map { Float(log($0)) }
    for (topK, expected) in [
      (1, [0, 1, 0, 0, 0, 0]), (2, [0, 0.3 / 0.7, 0.2 / 0.7, 0.2 / 0.7, 0, 0]),
      (4, [0, 0.3 / 0.85, 0.2 / 0.85, 0.2 / 0.85, 0.15 / 0.85, 0]),
      (5, [0.1 / 0.95, 0.3 / 0.95, 0.2 / 0.95, 0.2 / 0.95, 0.15 / 0.95, 0]),
      (6, [0.1, 0.3, 0.2, 0.2, 0.15, 0.05]), (0, [0.1, 0.3, 0.2, 0.2, 0.15, 0.05]),
      (Int(Int32.max), [0.1, 0.3, 0.2, 0.2, 0.15, 0.05]),
    ] {
      expectShares(shares(logits, try SamplingParameters(temperature: 1, topK: topK)), expected)
    }
  }

  @Test("Top-p counts the probabilities that top-k leaves")
  func topPAfterTopK() throws {
    let logits = [0.4, 0.3, 0.2, 0.1].map { Float(log($0)) }
    // Of all, 0.55 takes the first two; of the first two, the first alone.
    let parameters = try SamplingParameters(temperature: 1, topK: 2, topP: 0.55)
    expectShares(shares(logits, parameters), [1, 0, 0, 0])
    #expect(throws: SamplingError.self) { try SamplingParameters(topK: -1) }
  }

  @Test("A temperature next to zero chooses the likeliest token")
  func nearZeroTemperature() throws {
    var sampler = Sampler(try SamplingParameters(temperature: .leastNonzeroMagnitude, topP: 0.9))
    #expect(sampler.next(logits: [1, 2, 1.5], context: []) == 1)
  }

  @Test("The same seed draws the same ids, another seed others")
  func seeds() throws {
    let parameters = try SamplingParameters(temperature: 1)
    let logits = (0..<50).map { Float($0 % 7) / 4 }
    func draw(_ seed: UInt64) -> [Int32] {
      var sampler = Sampler(parameters, seed: seed)
      return (0..<32).map { _ in sampler.next(logits: logits, context: []) }
    }
    #expect(draw(1) == draw(1))
    #expect(draw(1) != draw(2))
  }

  @Test(
    "Parameters out of range are refused by name",
    arguments: [
      ("temperature", -0.1, 1, 1), ("temperature", .nan, 1, 1), ("top_p", 1, 0, 1),
      ("top_p", 1, 1.1, 1), ("repetition_penalty", 1, 1, 0),
      ("repetition_penalty", 1, 1, .infinity),
    ] as [(String, Float, Float, Float)])
  func refused(_ name: String, _ temperature: Float, _ topP: Float, _ penalty: Float) throws {
    let error = try #require(throws: SamplingError.self) {
      try SamplingParameters(temperature: temperature, topP: topP, repetitionPenalty: penalty)
    }
    #expect(error.parameter == name)
  }
}
