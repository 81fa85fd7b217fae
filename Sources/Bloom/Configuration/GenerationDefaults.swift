import JSONValues

/// The generation settings of a model's `generation_config.json`; nil for missing ones.
///
/// The HTTP API and the network's own service use them as defaults of a request. Source:
/// GenerationConfig of transformers 5.24.
public struct GenerationDefaults: Sendable, Hashable {
  /// Whether tokens are drawn; else the likeliest is taken.
  public private(set) var doSample: Bool?
  /// See ``SamplingParameters/temperature``.
  public private(set) var temperature: Float?
  /// See ``SamplingParameters/topK``.
  public private(set) var topK: Int?
  /// See ``SamplingParameters/topP``.
  public private(set) var topP: Float?
  /// See ``SamplingParameters/repetitionPenalty``.
  public private(set) var repetitionPenalty: Float?
  /// Most new tokens.
  public private(set) var maxNewTokens: Int?
  /// The first field that asks for what is not done here.
  private var unsupported: CheckpointError?

  /// Nothing is said.
  public init() {}

  /// The values of a file; throws for a number out of its range.
  init(_ fields: JSONFields, path: String) throws(ConfigurationError) {
    doSample = try fields.flag("do_sample")
    temperature = try fields.number("temperature", in: SamplingParameters.temperatures)
      .map { Float($0) }
    topK = try fields.integer("top_k", in: SamplingParameters.topKs)
    topP = try fields.number("top_p", in: SamplingParameters.topPs).map(SamplingParameters.positive)
    repetitionPenalty = try fields.number(
      "repetition_penalty", in: SamplingParameters.repetitionPenalties
    ).map(SamplingParameters.positive)
    maxNewTokens = try fields.integer("max_new_tokens", in: 1...Int(Int32.max))
    for (field, neutral) in Self.unsupportedFields {
      guard let node = fields[field], node != .bool(false), node != .array([]),
        node != .object([:]), node.doubleValue == nil || node.doubleValue != neutral
      else { continue }
      unsupported = .invalidConfiguration(
        path: path, field: field,
        expected: neutral.map { "\($0)" } ?? "nothing, since texts are not made so here",
        found: node.summary)
      break
    }
  }

  /// Checks that the file has no unsupported setting.
  ///
  /// Callers that use these defaults call it; a model whose file asks for beam search can be used
  /// where the defaults are not.
  /// - Throws: ``CheckpointError/invalidConfiguration(path:field:expected:found:)``.
  public func requireSupported() throws(CheckpointError) {
    if let unsupported { throw unsupported }
  }

  /// Fields that choose other tokens, and the number with which they choose the same.
  private static let unsupportedFields: [(field: String, neutral: Double?)] = [
    ("num_beams", 1), ("num_beam_groups", 1), ("penalty_alpha", 0), ("dola_layers", nil),
    ("typical_p", 1), ("min_p", 0), ("top_h", nil), ("epsilon_cutoff", 0), ("eta_cutoff", 0),
    ("encoder_repetition_penalty", 1), ("no_repeat_ngram_size", 0),
    ("encoder_no_repeat_ngram_size", 0), ("guidance_scale", 1), ("min_length", 0),
    ("min_new_tokens", 0), ("bad_words_ids", nil), ("force_words_ids", nil), ("constraints", nil),
    ("forced_bos_token_id", nil), ("forced_eos_token_id", nil), ("suppress_tokens", nil),
    ("begin_suppress_tokens", nil), ("sequence_bias", nil), ("stop_strings", nil),
    ("exponential_decay_length_penalty", nil), ("watermarking_config", nil),
    ("token_healing", nil), ("remove_invalid_values", nil), ("num_return_sequences", 1),
    ("max_time", nil),
  ]
}
