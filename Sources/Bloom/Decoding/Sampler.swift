import AsyncPrimitives
import BloomKernels

/// Chooses the next token from its scores.
///
/// In the order of transformers: repetition penalty, temperature, top-k, top-p, then a draw. Ties
/// fall to the lower id. The same seed, scores and context give the same ids.
public struct Sampler: Sendable {
  /// The parameters of the choice.
  public let parameters: SamplingParameters
  private var random: SeededGenerator
  private var scores: [Float] = []

  /// A sampler whose draws `seed` decides.
  public init(_ parameters: SamplingParameters, seed: UInt64 = 0) {
    self.parameters = parameters
    random = SeededGenerator(seed: seed)
  }

  /// The next token after `context` (prompt and generated ids, for the repetition penalty).
  ///
  /// `logits` holds one score for each vocabulary entry, and at least one. Throws ``ScoreError``
  /// unless every score is finite.
  public mutating func choose(
    logits: ArraySlice<Float>, context: [Int32]
  ) throws(ScoreError) -> Int32 {
    let result: Result<Int32, ScoreError> = logits.withUnsafeBufferPointer { scores in
      Result { () throws(ScoreError) in try choose(logits: scores, context: context) }
    }
    return try result.get()
  }

  mutating func choose(
    logits: UnsafeBufferPointer<Float>, context: [Int32]
  ) throws(ScoreError) -> Int32 {
    try ScoreError.check(logits)
    return next(logits: logits, context: context)
  }

  /// Some token, whatever the scores are: ``choose(logits:context:)`` without its check.
  package mutating func next(logits: [Float], context: [Int32]) -> Int32 {
    logits.withUnsafeBufferPointer { next(logits: $0, context: context) }
  }

  mutating func next(logits: UnsafeBufferPointer<Float>, context: [Int32]) -> Int32 {
    precondition(!logits.isEmpty, "no scores to choose from")
    if parameters.temperature == 0, parameters.repetitionPenalty == 1 {
      return Int32(bloom_argmax(logits.baseAddress, logits.count))
    }
    scores.removeAll(keepingCapacity: true)
    scores.append(contentsOf: logits)
    penalise(context)
    // Taken out for the draw, which changes the generator beside them.
    var weights: [Float] = []
    swap(&weights, &scores)
    defer { swap(&weights, &scores) }
    return weights.withUnsafeMutableBufferPointer { scores in
      let best = bloom_argmax(scores.baseAddress, scores.count)
      let inverseTemperature = 1 / parameters.temperature
      // A temperature so near to zero that its inverse is no number is zero for every purpose.
      guard inverseTemperature.isFinite else { return Int32(best) }
      var sum = bloom_exponentials(
        scores.baseAddress, scores.count, scores[best], inverseTemperature)
      if (1..<scores.count).contains(parameters.topK) { sum = keepTopK(scores) }
      return parameters.topP < 1
        ? drawFromNucleus(scores, best: best, sum: Double(sum)) : drawFromAll(.init(scores))
    }
  }

  /// Whether the highest score is taken; else a token is drawn.
  var isGreedy: Bool { !(1 / parameters.temperature).isFinite }

  /// The probabilities of which ``next(logits:context:)`` draws, which sum up to 1; nil where it takes the
  /// highest score.
  mutating func probabilities(
    logits: UnsafeBufferPointer<Float>, context: [Int32]
  ) -> [Float]? {
    if isGreedy { return nil }
    scores.removeAll(keepingCapacity: true)
    scores.append(contentsOf: logits)
    penalise(context)
    var weights = scores
    weights.withUnsafeMutableBufferPointer { weights in
      let best = bloom_argmax(weights.baseAddress, weights.count)
      var sum = Double(
        bloom_exponentials(
          weights.baseAddress, weights.count, weights[best], 1 / parameters.temperature))
      if (1..<weights.count).contains(parameters.topK) { sum = Double(keepTopK(weights)) }
      if parameters.topP < 1 {
        let nucleus = nucleus(weights, best: best, sum: sum)
        weights.update(repeating: 0)
        for (token, weight) in nucleus.tokens { weights[token] = Float(weight) }
        sum = nucleus.reached
      }
      for token in weights.indices { weights[token] = Float(Double(weights[token]) / sum) }
    }
    return weights
  }

  /// A number in [0, 1) of the sampler's own.
  mutating func unit() -> Double { random.unit() }

  /// Draws from weights that are probabilities up to a common factor.
  mutating func draw(from weights: [Float]) -> Int32 {
    weights.withUnsafeBufferPointer { drawFromAll($0) }
  }

  private mutating func penalise(_ context: [Int32]) {
    let penalty = parameters.repetitionPenalty
    guard penalty != 1 else { return }
    // Each token once, however often it occurs.
    for token in Set(context) where scores.indices.contains(Int(token)) {
      let score = scores[Int(token)]
      let changed = score < 0 ? score * penalty : score / penalty
      // Finite scores stay finite: the difference of two infinite ones would be no number.
      let largest = Float.greatestFiniteMagnitude
      scores[Int(token)] = max(-largest, min(largest, changed))
    }
  }

  /// Takes every weight below the top-k-th to zero; returns the sum of the others.
  private func keepTopK(_ weights: UnsafeMutableBufferPointer<Float>) -> Float {
    // The largest weights so far, ascending. Few weights of a long run are among them.
    var kept: [Float] = []
    for weight in weights {
      if kept.count == parameters.topK {
        guard weight > kept[0] else { continue }
        kept.removeFirst()
      }
      var (low, high) = (0, kept.count)
      while low < high {
        let middle = (low + high) / 2
        if kept[middle] < weight { low = middle + 1 } else { high = middle }
      }
      kept.insert(weight, at: low)
    }
    let least = kept.first ?? 0
    var sum: Float = 0
    for token in weights.indices {
      if weights[token] < least { weights[token] = 0 }
      sum += weights[token]
    }
    return sum
  }

  /// `weights` are probabilities up to a common factor.
  private mutating func drawFromAll(_ weights: UnsafeBufferPointer<Float>) -> Int32 {
    // Summed here once more in double: the draw must end inside the weights.
    let sum = weights.reduce(0.0) { $0 + Double($1) }
    var rest = random.unit() * sum
    var last = 0
    for (token, weight) in weights.enumerated() where weight > 0 {
      last = token
      rest -= Double(weight)
      if rest < 0 { break }
    }
    return Int32(last)
  }

  /// Draws from the smallest set of likeliest tokens whose probability reaches top-p.
  private mutating func drawFromNucleus(
    _ weights: UnsafeMutableBufferPointer<Float>, best: Int, sum: Double
  ) -> Int32 {
    let nucleus = nucleus(weights, best: best, sum: sum)
    var rest = random.unit() * nucleus.reached
    for (token, weight) in nucleus.tokens {
      rest -= weight
      if rest < 0 { return Int32(token) }
    }
    return Int32(nucleus.tokens[nucleus.tokens.endIndex - 1].token)
  }

  /// That set, the likeliest first, and the sum of its weights.
  private func nucleus(
    _ weights: UnsafeMutableBufferPointer<Float>, best: Int, sum: Double
  ) -> (tokens: ArraySlice<(token: Int, weight: Double)>, reached: Double) {
    // transformers drops the least likely tokens while their sum stays within 1 - p. All tokens
    // below an even share of 1 - p stay within it together, so only the others need sorting. The
    // likeliest is always among them, also where rounding or scores that are no numbers say no.
    let floor = Float((1 - Double(parameters.topP)) * sum / Double(weights.count))
    var nucleus: [(token: Int, weight: Double)] = []
    for (token, weight) in weights.enumerated() where weight > floor || token == best {
      nucleus.append((token, Double(weight)))
    }
    nucleus.sort { ($1.weight, $0.token) < ($0.weight, $1.token) }
    let target = Double(parameters.topP) * sum
    var reached = 0.0
    var count = 0
    while count < nucleus.count, count == 0 || reached < target {
      reached += nucleus[count].weight
      count += 1
    }
    return (nucleus.prefix(count), reached)
  }
}

/// The error of scores that are not all finite.
///
/// Causes are weights that are NaN, and hidden states so large that a layer norm overflows. Every
/// token is chosen by ``Sampler/choose(logits:context:)``, in one process, through nodes and for the
/// HTTP API, so that all of them throw this error.
public struct ScoreError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The first entry of the vocabulary whose score is at fault.
  public let id: Int32
  /// Its score: `nan`, `inf` or `-inf`.
  public let score: String

  /// One line that says what is wrong.
  public var description: String {
    "the scores of the next token are not all finite: that of id \(id) is \(score); the model's "
      + "weights, or a node that computed with them, are at fault"
  }

  /// Requires that every score is finite.
  static func check(_ scores: UnsafeBufferPointer<Float>) throws(ScoreError) {
    guard !bloom_largest_magnitude(scores.baseAddress, scores.count).isFinite else { return }
    let id = scores.firstIndex { !$0.isFinite } ?? 0
    // Of a number that is none, the sign says nothing.
    let score = scores[id].isNaN ? "nan" : "\(scores[id])"
    throw ScoreError(id: Int32(clamping: id), score: score)
  }
}
