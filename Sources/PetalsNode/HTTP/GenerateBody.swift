package import Bloom
package import PlumiseWire

/// The body of `POST /api/v1/generate` (Wire.md, Nodes), checked.
package struct GenerateBody: Sendable {
  package let inputs: String
  package let maximumNewTokens: Int
  package let sampling: SamplingParameters
  package let stream: Bool

  /// Checks every field and collects what is wrong with any; what is not given is as the model's
  /// `generation_config.json` has it, or else Wire.md.
  ///
  /// - Throws: ``FieldErrors``.
  package init(_ body: JSON, _ defaults: GenerationDefaults = GenerationDefaults()) throws {
    var reader = FieldReader()
    let fields = reader.object(body, at: [])
    let inputs = reader.string(fields?["inputs"], at: ["inputs"])
    let stream = reader.bool(fields?["stream"], at: ["stream"]) ?? false
    let parameters = fields?["parameters"].flatMap {
      $0.isNull ? nil : reader.object($0, at: ["parameters"])
    }
    let maximumNewTokens = reader.integer(
      parameters?["max_new_tokens"], in: 1...Int64(GivenSampling.mostNewTokens),
      at: ["parameters", "max_new_tokens"])
    let temperature = reader.number(
      parameters?["temperature"], in: 0...2, at: ["parameters", "temperature"])
    let topP = reader.number(parameters?["top_p"], in: 0...1, at: ["parameters", "top_p"])
    let penalty = reader.number(
      parameters?["repetition_penalty"], in: 1...2, at: ["parameters", "repetition_penalty"])
    let doSample = reader.bool(parameters?["do_sample"], at: ["parameters", "do_sample"])
    guard let inputs, reader.errors.isEmpty else { throw FieldErrors(reader.errors) }

    self.inputs = inputs
    self.maximumNewTokens = maximumNewTokens ?? GivenSampling.maximumNewTokens(defaults)
    self.stream = stream
    sampling = try GivenSampling(
      doSample: doSample, temperature: temperature.map { Float($0) },
      topP: topP.map(SamplingParameters.positive), repetitionPenalty: penalty.map { Float($0) }
    ).parameters(defaults)
  }
}
