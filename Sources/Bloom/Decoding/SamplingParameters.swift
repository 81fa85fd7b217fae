/// How the next token is chosen from its scores, as transformers defines the parameters.
public struct SamplingParameters: Sendable, Hashable {
  /// Scores are divided by it; 0 takes the highest.
  public let temperature: Float
  /// Only so many of the likeliest tokens are drawn from, and others as likely as the last of them;
  /// 0 stands for all.
  public let topK: Int
  /// Only the likeliest tokens that together reach this probability are drawn from, of those that
  /// ``topK`` leaves.
  public let topP: Float
  /// Positive scores of tokens already there are divided by it, negative ones multiplied.
  public let repetitionPenalty: Float

  /// Always the highest score.
  public static let greedy = SamplingParameters(
    unchecked: 0, topK: 0, topP: 1, repetitionPenalty: 1)

  /// What `temperature` may be.
  static let temperatures = 0.0...100
  /// What `top_k` may be.
  static let topKs = 0...Int(Int32.max)
  /// What `top_p` may be; 0 is the least number above it (``positive(_:)``).
  static let topPs = 0.0...1
  /// What `repetition_penalty` may be.
  static let repetitionPenalties = Double.leastNonzeroMagnitude...100

  /// Checks the ranges: temperature 0 to 100, top-k 0 or more, top-p above 0 up to 1, penalty above
  /// 0 up to 100.
  public init(
    temperature: Float = 0, topK: Int = 0, topP: Float = 1, repetitionPenalty: Float = 1
  ) throws(SamplingError) {
    guard temperature >= 0, temperature <= 100 else {
      throw SamplingError(
        parameter: "temperature", expected: "0 to 100", found: "\(temperature)")
    }
    guard topK >= 0 else {
      throw SamplingError(parameter: "top_k", expected: "0 or more", found: "\(topK)")
    }
    guard topP > 0, topP <= 1 else {
      throw SamplingError(parameter: "top_p", expected: "above 0, up to 1", found: "\(topP)")
    }
    guard repetitionPenalty > 0, repetitionPenalty <= 100 else {
      throw SamplingError(
        parameter: "repetition_penalty", expected: "above 0, up to 100",
        found: "\(repetitionPenalty)")
    }
    self.init(
      unchecked: temperature, topK: topK, topP: topP, repetitionPenalty: repetitionPenalty)
  }

  /// The nearest float of a number that is zero or more, but for zero the least one above it: top-p 0
  /// leaves the likeliest token alone, and so does that.
  public static func positive(_ number: Double) -> Float {
    max(Float(number), .leastNormalMagnitude)
  }

  private init(unchecked temperature: Float, topK: Int, topP: Float, repetitionPenalty: Float) {
    self.temperature = temperature
    self.topK = topK
    self.topP = topP
    self.repetitionPenalty = repetitionPenalty
  }
}

/// A sampling parameter out of its range.
public struct SamplingError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The parameter's name in requests.
  public let parameter: String
  /// The expected value.
  public let expected: String
  /// The actual value.
  public let found: String

  /// One line that says what is wrong.
  public var description: String { "\(parameter): expected \(expected), found \(found)" }
}
