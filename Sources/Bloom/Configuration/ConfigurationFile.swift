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
      try ConfigurationFields.requireHonoured(fields)
      return try fields.integer(["vocab_size"], in: BloomConfiguration.vocabularySizes)
    }
    let generation = try Self.generation(in: directory, vocabularySize: vocabularySize)
    configuration = try Self.reading(file.path) { () throws(ConfigurationError) in
      let fields = try JSONFields(root)
      let ids = try SpecialTokens(fields, below: vocabularySize)
      return try ConfigurationFields.configuration(
        fields, vocabularySize: vocabularySize, generation.ids.falling(backTo: ids))
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
  func falling(backTo other: SpecialTokens) -> SpecialTokens {
    var result = self
    result.bos = bos ?? other.bos
    result.eos = eos ?? other.eos
    result.pad = pad ?? other.pad
    return result
  }
}
