import Foundation

/// `config.json` of a checkpoint, in every spelling that BLOOM checkpoints use.
struct ConfigurationFile: Sendable {
  let configuration: BloomConfiguration
  /// `_name_or_path`, when the file names the model.
  let modelName: String?

  /// Reads the file in `directory`.
  init(directory: URL) throws(CheckpointError) {
    let file = try MappedFile(directory.appending(path: "config.json"))
    let path = file.path
    let root: JSONNode
    do {
      root = try JSONNode(parsing: file.bytes)
    } catch {
      throw .malformedJSON(path: path, reason: "\(error)")
    }
    do {
      let fields = ConfigurationFields(root: root)
      try fields.requireModelType()
      configuration = try BloomConfiguration(
        vocabularySize: fields.integer(["vocab_size"]),
        hiddenSize: fields.integer(["hidden_size", "n_embed"]),
        headCount: fields.integer(["n_head", "num_attention_heads"]),
        layerCount: fields.integer(["n_layer", "num_hidden_layers"]),
        layerNormEpsilon: fields.epsilon(),
        residualAfterLayerNorm: fields.flag("apply_residual_connection_post_layernorm"),
        bosTokenID: fields.token("bos_token_id"), eosTokenID: fields.token("eos_token_id"),
        padTokenID: fields.token("pad_token_id"),
        sequenceLength: fields.integer(["seq_length"], default: 2048))
    } catch {
      throw .invalidConfiguration(
        path: path, field: error.field, expected: error.expected, found: error.found)
    }
    let name = root["_name_or_path"]?.stringValue
    modelName = name?.isEmpty == false ? name : nil
  }
}

/// Typed access to the fields of a configuration.
private struct ConfigurationFields {
  let root: JSONNode

  func requireModelType() throws(ConfigurationError) {
    guard root.objectValue != nil else {
      throw ConfigurationError(field: "the file", expected: "an object", found: root.summary)
    }
    if let type = root["model_type"], type.stringValue != "bloom" {
      throw ConfigurationError(field: "model_type", expected: "\"bloom\"", found: type.summary)
    }
  }

  /// The one value behind several spellings; those that are there must agree.
  func integer(
    _ spellings: [String], default fallback: Int? = nil
  ) throws(ConfigurationError) -> Int {
    var result: Int?
    for field in spellings {
      guard let node = present(field) else { continue }
      guard let value = node.integerValue else {
        throw ConfigurationError(field: field, expected: "a whole number", found: node.summary)
      }
      if let result, result != value {
        throw ConfigurationError(
          field: field, expected: "\(result), as \(spellings[0]) says", found: "\(value)")
      }
      result = value
    }
    if let value = result ?? fallback { return value }
    throw ConfigurationError(
      field: spellings.joined(separator: " or "), expected: "a whole number", found: "nothing")
  }

  func epsilon() throws(ConfigurationError) -> Float {
    guard let node = present("layer_norm_epsilon") else { return 1e-5 }
    guard let value = node.doubleValue else {
      throw ConfigurationError(
        field: "layer_norm_epsilon", expected: "a number", found: node.summary)
    }
    return Float(value)
  }

  func flag(_ field: String) throws(ConfigurationError) -> Bool {
    guard let node = present(field) else { return false }
    guard let value = node.boolValue else {
      throw ConfigurationError(field: field, expected: "true or false", found: node.summary)
    }
    return value
  }

  func token(_ field: String) throws(ConfigurationError) -> Int32? {
    guard let node = present(field) else { return nil }
    guard let value = node.integerValue, let id = Int32(exactly: value) else {
      throw ConfigurationError(field: field, expected: "a token id", found: node.summary)
    }
    return id
  }

  private func present(_ field: String) -> JSONNode? {
    let node = root[field]
    return node == .null ? nil : node
  }
}
