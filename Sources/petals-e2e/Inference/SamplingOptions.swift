import ArgumentParser
import Bloom

/// How tokens are chosen; the defaults take the likeliest one.
struct SamplingOptions: ParsableArguments {
  // The limits are those of `SamplingParameters`.
  @Option(
    within: RealNumbers("a temperature", 0...100),
    help: "0 takes the likeliest token; above, tokens are drawn.")
  var temperature: Float = 0

  @Option(
    within: RealNumbers("a probability", above: 0, upTo: 1),
    help: "Draw among the likeliest tokens that together have this probability.")
  var topP: Float = 1

  @Option(
    within: RealNumbers("a repetition penalty", above: 0, upTo: 100),
    help: "Above 1 makes tokens that occurred less likely.")
  var repetitionPenalty: Float = 1

  @Option(within: .seed, help: "Where chance begins; the same seed gives the same tokens.")
  var seed: UInt64 = 0

  func parameters() throws -> SamplingParameters {
    try CommandFailure.checkingInput {
      try SamplingParameters(
        temperature: temperature, topP: topP, repetitionPenalty: repetitionPenalty)
    }
  }
}
