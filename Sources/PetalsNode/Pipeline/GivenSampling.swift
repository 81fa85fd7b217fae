import Bloom

/// What a request says of how its tokens are chosen; nil where it says nothing.
///
/// There the model's `generation_config.json` decides, and where that says nothing either, the
/// defaults of Wire.md, Nodes.
struct GivenSampling: Sendable {
  var doSample: Bool?
  var temperature: Float?
  var topP: Float?
  var repetitionPenalty: Float?

  /// Most new tokens that a request may ask for.
  static let mostNewTokens = 4096

  /// Most new tokens of a request that does not say.
  static func maximumNewTokens(_ defaults: GenerationDefaults) -> Int {
    min(defaults.maxNewTokens ?? 128, mostNewTokens)
  }

  /// What the tokens are chosen by.
  func parameters(_ defaults: GenerationDefaults) throws(SamplingError) -> SamplingParameters {
    // Temperature 0 is the greedy choice, which is what sampling turned off asks for.
    let isDrawn = doSample ?? defaults.doSample ?? true
    return try SamplingParameters(
      temperature: isDrawn ? temperature ?? defaults.temperature ?? 0.7 : 0,
      topK: defaults.topK ?? 0, topP: topP ?? defaults.topP ?? 0.9,
      repetitionPenalty: repetitionPenalty ?? defaults.repetitionPenalty ?? 1.2)
  }
}
