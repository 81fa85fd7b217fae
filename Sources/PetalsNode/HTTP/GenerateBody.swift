import Bloom
import PlumiseWire

/// The body of `POST /api/v1/generate` (Wire.md, Nodes), checked.
struct GenerateBody: Sendable {
  let inputs: String
  let maximumNewTokens: Int
  let sampling: SamplingParameters
  let stream: Bool

  /// Checks every field and collects what is wrong with any.
  ///
  /// - Throws: ``FieldErrors``.
  init(_ body: JSON) throws {
    var reader = FieldReader()
    let fields = reader.object(body, at: [])
    let inputs = reader.string(fields?["inputs"], at: ["inputs"])
    let stream = reader.bool(fields?["stream"], at: ["stream"]) ?? false
    let parameters = fields?["parameters"].flatMap {
      $0.isNull ? nil : reader.object($0, at: ["parameters"])
    }
    let maximumNewTokens = reader.integer(
      parameters?["max_new_tokens"], in: 1...4096, at: ["parameters", "max_new_tokens"])
    let temperature = reader.number(
      parameters?["temperature"], in: 0...2, at: ["parameters", "temperature"])
    let topP = reader.number(parameters?["top_p"], in: 0...1, at: ["parameters", "top_p"])
    let penalty = reader.number(
      parameters?["repetition_penalty"], in: 1...2, at: ["parameters", "repetition_penalty"])
    let doSample = reader.bool(parameters?["do_sample"], at: ["parameters", "do_sample"])
    guard let inputs, reader.errors.isEmpty else { throw FieldErrors(reader.errors) }

    self.inputs = inputs
    self.maximumNewTokens = maximumNewTokens ?? 128
    self.stream = stream
    // Temperature 0 is the greedy choice, which is what sampling turned off asks for; top_p 0
    // leaves the likeliest token alone, which the least number above it does too.
    sampling = try SamplingParameters(
      temperature: doSample ?? true ? Float(temperature ?? 0.7) : 0,
      topP: max(Float(topP ?? 0.9), .leastNormalMagnitude),
      repetitionPenalty: Float(penalty ?? 1.2))
  }
}
