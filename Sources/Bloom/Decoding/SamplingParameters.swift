/// How the next token is chosen from its scores, as transformers defines the parameters.
public struct SamplingParameters: Sendable, Hashable {
  /// Scores are divided by it; 0 takes the highest.
  public let temperature: Float
  /// Only the likeliest tokens that together reach this probability are drawn from.
  public let topP: Float
  /// Positive scores of tokens already there are divided by it, negative ones multiplied.
  public let repetitionPenalty: Float

  /// Always the highest score.
  public static let greedy = SamplingParameters(
    unchecked: 0, topP: 1, repetitionPenalty: 1)

  /// Checks the ranges: temperature 0 to 100, top-p above 0 up to 1, penalty above 0 up to 100.
  public init(
    temperature: Float = 0, topP: Float = 1, repetitionPenalty: Float = 1
  ) throws(SamplingError) {
    guard temperature >= 0, temperature <= 100 else {
      throw SamplingError(
        parameter: "temperature", expected: "0 to 100", found: "\(temperature)")
    }
    guard topP > 0, topP <= 1 else {
      throw SamplingError(parameter: "top_p", expected: "above 0, up to 1", found: "\(topP)")
    }
    guard repetitionPenalty > 0, repetitionPenalty <= 100 else {
      throw SamplingError(
        parameter: "repetition_penalty", expected: "above 0, up to 100",
        found: "\(repetitionPenalty)")
    }
    self.init(unchecked: temperature, topP: topP, repetitionPenalty: repetitionPenalty)
  }

  private init(unchecked temperature: Float, topP: Float, repetitionPenalty: Float) {
    self.temperature = temperature
    self.topP = topP
    self.repetitionPenalty = repetitionPenalty
  }
}

/// A sampling parameter out of its range.
public struct SamplingError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The parameter's name in requests.
  public let parameter: String
  /// What would have been right.
  public let expected: String
  /// What was there instead.
  public let found: String

  /// One line that says what is wrong.
  public var description: String { "\(parameter): expected \(expected), found \(found)" }
}
