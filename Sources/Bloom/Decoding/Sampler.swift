import BloomKernels

/// Chooses the next token from its scores.
///
/// In the order of transformers: repetition penalty, temperature, top-p, then a draw. Ties fall to
/// the lower id. The same seed, scores and context give the same ids.
public struct Sampler: Sendable {
  /// What the choice follows.
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
  /// `logits` holds one score for each vocabulary entry, and at least one.
  public mutating func next(logits: ArraySlice<Float>, context: [Int32]) -> Int32 {
    logits.withUnsafeBufferPointer { next(logits: $0, context: context) }
  }

  /// The same for a whole array.
  public mutating func next(logits: [Float], context: [Int32]) -> Int32 {
    next(logits: logits[...], context: context)
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
      let steepness = 1 / parameters.temperature
      // A temperature so near to zero that its inverse is no number is zero for every purpose.
      guard steepness.isFinite else { return Int32(best) }
      let sum = bloom_exponentials(scores.baseAddress, scores.count, scores[best], steepness)
      return parameters.topP < 1
        ? drawFromNucleus(scores, best: best, sum: Double(sum)) : drawFromAll(scores)
    }
  }

  private mutating func penalise(_ context: [Int32]) {
    let penalty = parameters.repetitionPenalty
    guard penalty != 1 else { return }
    // Each token once, however often it occurs.
    for token in Set(context) where scores.indices.contains(Int(token)) {
      let score = scores[Int(token)]
      scores[Int(token)] = score < 0 ? score * penalty : score / penalty
    }
  }

  /// `weights` are probabilities up to a common factor.
  private mutating func drawFromAll(_ weights: UnsafeMutableBufferPointer<Float>) -> Int32 {
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
    var rest = random.unit() * reached
    for (token, weight) in nucleus.prefix(count) {
      rest -= weight
      if rest < 0 { return Int32(token) }
    }
    return Int32(nucleus[count - 1].token)
  }
}
