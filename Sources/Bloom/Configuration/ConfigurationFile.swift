import Foundation
import JSONValues

/// `config.json` of a checkpoint, in every spelling that BLOOM checkpoints use, and what
/// `generation_config.json` beside it says of the ids that begin, end and fill a text.
struct ConfigurationFile: Sendable {
  let configuration: BloomConfiguration
  /// `_name_or_path`, when the file names the model.
  let modelName: String?
  let generationDefaults: GenerationDefaults

  /// Reads the files in `directory`.
  init(directory: URL) throws(CheckpointError) {
    let file = try MappedFile(directory.appending(path: "config.json"))
    let root = try Self.parse(file)
    let vocabularySize = try Self.reading(file.path) { () throws(ConfigurationError) in
      let fields = try JSONFields(root)
      try ConfigurationFields.validateSupported(fields)
      return try fields.integer(["vocab_size"], in: BloomConfiguration.vocabularySizes)
    }
    let generation = try Self.generation(in: directory, vocabularySize: vocabularySize)
    configuration = try Self.reading(file.path) { () throws(ConfigurationError) in
      let fields = try JSONFields(root)
      let ids = try SpecialTokens(fields, below: vocabularySize)
      return try ConfigurationFields.configuration(
        fields, vocabularySize: vocabularySize, generation.ids.merging(defaults: ids))
    }
    generationDefaults = generation.defaults
    let name = root["_name_or_path"]?.stringValue
    modelName = name?.isEmpty == false ? name : nil
  }

  private static func generation(
    in directory: URL, vocabularySize: Int
  ) throws(CheckpointError) -> (ids: SpecialTokens, defaults: GenerationDefaults) {
    let file: MappedFile
    do {
      file = try MappedFile(directory.appending(path: "generation_config.json"))
    } catch {
      if case .missingFile = error { return (SpecialTokens(), GenerationDefaults()) }
      throw error
    }
    let root = try parse(file)
    return try reading(file.path) { () throws(ConfigurationError) in
      let fields = try JSONFields(root)
      return (
        try SpecialTokens(fields, below: vocabularySize),
        try GenerationDefaults(fields, path: file.path)
      )
    }
  }

  private static func parse(_ file: MappedFile) throws(CheckpointError) -> JSON {
    do {
      return try JSON.parse(file.bytes, dialect: .python)
    } catch {
      throw .malformedJSON(path: file.path, reason: error.detail)
    }
  }

  private static func reading<Value>(
    _ path: String, _ body: () throws(ConfigurationError) -> Value
  ) throws(CheckpointError) -> Value {
    do {
      return try body()
    } catch {
      throw .invalidConfiguration(
        path: path, field: error.field, expected: error.expected, found: error.found)
    }
  }
}

/// The ids that begin, end and fill a text, as a file has them; nil where it says nothing.
struct SpecialTokens: Hashable, Sendable {
  private(set) var bos: Int32?
  private(set) var eos: [Int32]?
  private(set) var pad: Int32?

  /// None at all.
  init() {}

  /// The ids in a file for a vocabulary of `count`.
  init(_ fields: JSONFields, below count: Int) throws(ConfigurationError) {
    bos = try fields.idleToken("bos_token_id", below: count)
    eos = try fields.endTokens("eos_token_id", below: count)
    pad = try fields.idleToken("pad_token_id", below: count)
  }

  /// These ids, and another file's where this one has none.
  func merging(defaults other: SpecialTokens) -> SpecialTokens {
    var result = self
    result.bos = bos ?? other.bos
    result.eos = eos ?? other.eos
    result.pad = pad ?? other.pad
    return result
  }
}

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
  static func validateSupported(_ fields: JSONFields) throws(ConfigurationError) {
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
