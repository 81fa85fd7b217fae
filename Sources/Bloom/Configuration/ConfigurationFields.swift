import JSONValues

/// The fields of `config.json` that BLOOM's reference implementation reads (Numerics.md, Fields of
/// the configuration): each is honoured here, or refused by its name.
enum ConfigurationFields {
  /// The model's shape and constants.
  static func configuration(
    _ fields: JSONFields, vocabularySize: Int, _ ids: SpecialTokens
  ) throws(ConfigurationError) -> BloomConfiguration {
    let hiddenSize = try fields.integer(
      ["hidden_size", "n_embed"], in: BloomConfiguration.hiddenSizes)
    return try BloomConfiguration(
      vocabularySize: vocabularySize, hiddenSize: hiddenSize,
      headCount: fields.integer(["n_head", "num_attention_heads"], in: 1...hiddenSize),
      blockCount: fields.integer(
        ["n_layer", "num_hidden_layers"], in: BloomConfiguration.blockCounts),
      layerNormEpsilon: Float(fields.number("layer_norm_epsilon", in: 0...1) ?? 1e-5),
      residualAfterLayerNorm:
        fields.flag("apply_residual_connection_post_layernorm") ?? false,
      tiesWordEmbeddings: fields.flag("tie_word_embeddings") ?? true,
      bosTokenID: ids.bos, eosTokenIDs: ids.eos ?? [], padTokenID: ids.pad,
      sequenceLength: fields.integer(
        ["seq_length"], in: BloomConfiguration.sequenceLengths, default: 2048))
  }

  /// Refuses what would make another model of these weights.
  static func requireHonoured(_ fields: JSONFields) throws(ConfigurationError) {
    try require(fields, "model_type", "\"bloom\"") { $0.stringValue == "bloom" }
    try requireArchitecture(fields)
    try require(fields, "quantization_config", "none: weights that stand for themselves") { _ in
      false
    }
    try require(fields, "pruned_heads", "none") { $0.objectValue?.isEmpty ?? false }
    for field in ["is_encoder_decoder", "add_cross_attention"] {
      guard try fields.flag(field) == true else { continue }
      throw ConfigurationError(field: field, expected: "false", found: "true")
    }
    // Without training nothing is dropped, but the reference takes no other numbers either.
    for field in ["hidden_dropout", "attention_dropout"] { _ = try fields.number(field, in: 0...1) }
    let ranks = try fields.integer("pretraining_tp", in: 1...Int(Int32.max)) ?? 1
    if try fields.flag("slow_but_exact") == true, ranks > 1 {
      // The reference leaves out two biases of each block in this mode.
      throw ConfigurationError(
        field: "slow_but_exact", expected: "false, where pretraining_tp is \(ranks)", found: "true")
    }
  }

  private static func requireArchitecture(_ fields: JSONFields) throws(ConfigurationError) {
    let known = ["BloomForCausalLM", "BloomModel"]
    try require(fields, "architectures", known.joined(separator: " or ")) { node in
      guard let names = node.arrayValue else { return false }
      return names.isEmpty || names.contains { known.contains($0.stringValue ?? "") }
    }
  }

  private static func require(
    _ fields: JSONFields, _ field: String, _ expected: String, _ isRight: (JSON) -> Bool
  ) throws(ConfigurationError) {
    guard let node = fields[field], !isRight(node) else { return }
    let first = node.arrayValue?.first
    throw ConfigurationError(
      field: field, expected: expected, found: (first ?? node).summary)
  }
}
