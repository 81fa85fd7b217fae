import Bloom
import Foundation
import TestSupport
import Testing

@Suite("Numbers in a model's files", .timeLimit(.minutes(15)))
struct ModelFileNumberTests {
  /// Numeric fields of `config.json`.
  static let configurationFields = [
    "vocab_size", "hidden_size", "n_embed", "n_head", "num_attention_heads", "n_layer",
    "num_hidden_layers", "seq_length", "layer_norm_epsilon", "bos_token_id", "eos_token_id",
    "pad_token_id", "hidden_dropout", "attention_dropout", "pretraining_tp", "initializer_range",
    "n_inner", "offset_alibi",
  ]
  /// Numeric fields of `generation_config.json`.
  static let generationFields = [
    "bos_token_id", "eos_token_id", "pad_token_id", "temperature", "top_k", "top_p",
    "repetition_penalty", "max_new_tokens", "num_beams", "typical_p", "min_p", "max_length",
  ]
  /// Fields that nothing here reads: no value of theirs refuses a model.
  static let unread = ["initializer_range", "n_inner", "offset_alibi", "max_length"]

  /// Fields that a number makes wrong, though each alone may be right.
  private static let dependents = ["vocab_size": "eos_token_id", "hidden_size": "n_head"]

  /// The last two are the small checkpoint's own.
  private static let numbers = ExtremeNumbers.integers + ExtremeNumbers.others + ["6", "10"]

  /// Opens a folder, and says what of it could not be.
  private func refusal(of folder: URL) -> CheckpointError? {
    do {
      _ = try Checkpoint(directory: folder)
      return nil
    } catch {
      return error
    }
  }

  /// Requires that a field is named, with what it may be.
  private func expectNamed(
    _ error: CheckpointError, _ file: String, _ field: String, _ text: String
  ) {
    guard case .invalidConfiguration(let path, let named, let expected, _) = error else {
      // A number in its range may still contradict the weights, which then are named.
      let isAboutWeights = "\(error)".contains("tensor ")
      #expect(isAboutWeights, "\(field) \(text): \(error)")
      return
    }
    #expect(path.hasSuffix(file), "\(field) \(text): \(error)")
    let isNamed = named == field || named == Self.dependents[field]
    #expect(isNamed, "\(field) \(text): \(error)")
    #expect(expected.contains { $0.isNumber }, "\(field) \(text): \(error)")
  }

  @Test("Any number in config.json is taken or refused by name", arguments: configurationFields)
  func configuration(_ field: String) async throws {
    try await withTemporaryFolder { folder in
      var checkpoint = SmallCheckpoint()
      try checkpoint.write(to: folder)
      var taken = 0
      for text in Self.numbers {
        checkpoint.fields = SmallCheckpoint().fields
        checkpoint.fields[field] = text
        try checkpoint.writeConfiguration(to: folder)
        if let error = refusal(of: folder) {
          expectNamed(error, "config.json", field, text)
        } else {
          taken += 1
        }
      }
      #expect(taken > 0)
      #expect(taken < Self.numbers.count || Self.unread.contains(field))
    }
  }

  @Test(
    "Any number in generation_config.json is taken or refused by name", arguments: generationFields)
  func generation(_ field: String) async throws {
    try await withTemporaryFolder { folder in
      try SmallCheckpoint().write(to: folder)
      let file = folder.appending(path: "generation_config.json")
      var taken = 0
      for text in Self.numbers {
        try Data("{\"\(field)\": \(text)}".utf8).write(to: file)
        if let error = refusal(of: folder) {
          expectNamed(error, "generation_config.json", field, text)
          continue
        }
        taken += 1
        // What asks for what is not done here is refused where it would be taken.
        let defaults = try Checkpoint(directory: folder).generationDefaults
        do throws(CheckpointError) {
          try defaults.requireSupported()
        } catch {
          expectNamed(error, "generation_config.json", field, text)
        }
      }
      #expect(taken > 0)
    }
  }

  @Test(
    "What is no number is refused by file or name, and a list of ids judges each",
    arguments: ["config.json", "generation_config.json"])
  func strangers(_ file: String) async throws {
    try await withTemporaryFolder { folder in
      var checkpoint = SmallCheckpoint()
      try checkpoint.write(to: folder)
      let isGeneration = file == "generation_config.json"
      for field in isGeneration ? ["temperature", "top_k"] : ["seq_length", "layer_norm_epsilon"] {
        for text in ExtremeNumbers.strangers + ExtremeNumbers.malformed {
          if isGeneration {
            try Data("{\"\(field)\": \(text)}".utf8).write(to: folder.appending(path: file))
          } else {
            checkpoint.fields = SmallCheckpoint().fields
            checkpoint.fields[field] = text
            try checkpoint.writeConfiguration(to: folder)
          }
          let error = try #require(refusal(of: folder), "\(field) \(text)")
          #expect("\(error)".contains(file), "\(text): \(error)")
          let isNamed = "\(error)".contains(field) || "\(error)".contains("not valid JSON")
          #expect(isNamed, "\(text): \(error)")
        }
      }
      checkpoint.fields = SmallCheckpoint().fields
      try checkpoint.writeConfiguration(to: folder)
      for text in ["-1", "10", "4294967298", "18446744073709551618", "2.0", "NaN", "null", "[2]"] {
        let field = "{\"eos_token_id\": [2, \(text)]}"
        if isGeneration {
          try Data(field.utf8).write(to: folder.appending(path: file))
        } else {
          checkpoint.fields["eos_token_id"] = "[2, \(text)]"
          try checkpoint.writeConfiguration(to: folder)
        }
        let error = try #require(refusal(of: folder), "eos_token_id \(text)")
        #expect("\(error)".contains("eos_token_id"), "\(text): \(error)")
      }
    }
  }

  @Test("A number of a million digits is refused in a short line")
  func endless() async throws {
    try await withTemporaryFolder { folder in
      var checkpoint = SmallCheckpoint()
      checkpoint.fields["seq_length"] = String(repeating: "9", count: 1_000_000)
      try checkpoint.write(to: folder)
      let error = try #require(refusal(of: folder))
      #expect("\(error)".contains("seq_length") && "\(error)".utf8.count < 1000)
    }
  }

  @Test("Any number in a header's shape or offsets is taken or refused by name", arguments: 0..<5)
  func header(_ position: Int) async throws {
    // Shape, offsets, an empty tensor's other size, and a tensor of a type that nobody knows.
    let member: (String) -> String = { text in
      switch position {
      case 0: #""odd":{"dtype":"F32","shape":[\#(text)],"data_offsets":[0,4]}"#
      case 1: #""odd":{"dtype":"F32","shape":[1],"data_offsets":[\#(text),4]}"#
      case 2: #""odd":{"dtype":"F32","shape":[1],"data_offsets":[0,\#(text)]}"#
      case 3: #""odd":{"dtype":"F4","shape":[0,\#(text),4],"data_offsets":[0,0]}"#
      default: #""odd":{"dtype":"X9","shape":[2,\#(text)],"data_offsets":[0,4]}"#
      }
    }
    try await withTemporaryFolder { folder in
      let url = folder.appending(path: "x.safetensors")
      var taken = 0
      for text in Self.numbers {
        let header = Array("{\(member(text))}".utf8)
        let data: [UInt8] = position == 3 ? [] : [0, 0, 128, 63]
        let length = withUnsafeBytes(of: UInt64(header.count).littleEndian, Array.init)
        try Data(length + header + data).write(to: url)
        do {
          let file = try Safetensors(url)
          taken += 1
          #expect(file.descriptions.map(\.name) == ["odd"])
          // Reading is refused or done, whatever the sizes are.
          _ = try? file.hiddenStates("odd")
          _ = try? file.floats("odd")
        } catch {
          let isNamed = "\(error)".contains("odd") || "\(error)".contains("belong to no tensor")
          #expect(isNamed, "\(text): \(error)")
        }
      }
      #expect(taken > 0 && taken < Self.numbers.count)
    }
  }

  @Test("Any length of a header is taken or refused")
  func headerLength() async throws {
    try await withTemporaryFolder { folder in
      let url = folder.appending(path: "x.safetensors")
      for power in 0..<64 {
        let one = UInt64(1) << power
        for length in [one, one - 1, one &+ 1, ~one] {
          let text = Array("{}".utf8)
          try Data(withUnsafeBytes(of: length.littleEndian, Array.init) + text).write(to: url)
          guard length != 2 else {
            #expect(try Safetensors(url).descriptions.isEmpty)
            continue
          }
          let error = try #require(throws: CheckpointError.self, "\(length)") {
            try Safetensors(url)
          }
          let isLimited = "\(error)".contains("up to 100000000")
          #expect(isLimited == (length > 100_000_000), "\(length): \(error)")
        }
      }
    }
  }

  @Test("No number in an index, or beside the fields that are read, refuses a model")
  func unreadNumbers() async throws {
    try await withTemporaryFolder { folder in
      var checkpoint = SmallCheckpoint()
      checkpoint.fileName = "part.safetensors"
      try checkpoint.write(to: folder)
      let map = checkpoint.tensors.map { "\"\($0.name)\": \"part.safetensors\"" }
        .joined(separator: ",")
      // Each opens the whole model, and none is looked at: some of every kind are enough.
      let some =
        Self.numbers.enumerated().filter { $0.offset % 16 == 0 }.map(\.element)
        + ExtremeNumbers.others
      for text in some {
        try Data("{\"metadata\": {\"total_size\": \(text)}, \"weight_map\": {\(map)}}".utf8)
          .write(to: folder.appending(path: "model.safetensors.index.json"))
        try Data("{\"model_max_length\": \(text)}".utf8)
          .write(to: folder.appending(path: "tokenizer_config.json"))
        let error = refusal(of: folder)
        #expect(error == nil, "\(text)")
      }
      for text in some {
        try Data("{\"weight_map\": {\"a\": \(text)}}".utf8)
          .write(to: folder.appending(path: "model.safetensors.index.json"))
        let error = try #require(refusal(of: folder), "\(text)")
        #expect("\(error)".contains("model.safetensors.index.json"), "\(text)")
      }
    }
  }

  @Test("A model of the longest sequence there is generates, and refuses what has no memory")
  func longestSequence() async throws {
    var checkpoint = SmallCheckpoint()
    checkpoint.fields["seq_length"] = "\(1 << 24)"
    let opened = try await checkpoint.opened()
    let generator = LocalGenerator(opened)
    let some = try await generator.generate(GenerationRequest(prompt: [5, 6], maxNewTokens: 3))
    #expect(!some.ids.isEmpty)
    let shard = try Shard(opened, blocks: BlockRange(all: 1))
    for length in [Int.max, Int.max / 48, 1 << 55] {
      let cache = shard.makeCache(maximumLength: length)
      #expect(cache.usedByteCount == 0)
      let error = try await #require(throws: CacheError.self) {
        try await shard.forward(Embedding(opened)([5]), cache: cache)
      }
      #expect(error == .noMemory(bytes: cache.byteCount))
    }
  }
}

/// Numbers as a hostile or broken file may spell them.
enum ExtremeNumbers {
  /// Whole numbers: 0, and each power of two up to 2^256 with its neighbours, both signs.
  static let integers: [String] = Set(
    (0...256).flatMap(PowersOfTwo.around).flatMap { [$0, "-\($0)"] }
  ).sorted()

  /// Fractions, huge and tiny exponents, and what Python writes for no number.
  static let others = [
    "0.0", "0.5", "-0.5", "1.5", "0.99999999", "1e0", "1E5", "2e-1", "1e18", "1e19", "-1e19",
    "1e308", "1e309", "-1e309", "1e-323", "1e-400", "1e99999999999999999999",
    "1e-99999999999999999999", "NaN", "Infinity", "-Infinity",
  ]

  /// What spells no number in JSON, nor in Python's.
  static let malformed = [
    "nan", "-NaN", "inf", "+1", "01", "1.", ".5", "1e", "0x10", "1_000", "--1",
  ]

  /// Values of another kind.
  static let strangers = ["\"1\"", "\"NaN\"", "true", "[]", "[1, \"x\"]", "{}", "[[1]]"]
}
