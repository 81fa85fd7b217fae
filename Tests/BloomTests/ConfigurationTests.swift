import Bloom
import Foundation
import TestSupport
import Testing

@Suite("Configurations")
struct ConfigurationTests {
  private func open(_ change: (inout SmallCheckpoint) -> Void) async throws -> Checkpoint {
    try await withTemporaryFolder { folder in
      var checkpoint = SmallCheckpoint()
      change(&checkpoint)
      try checkpoint.write(to: folder)
      return try Checkpoint(directory: folder)
    }
  }

  @Test("Both spellings of each field are read")
  func spellings() async throws {
    let checkpoint = try await open {
      $0.fields["hidden_size"] = nil
      $0.fields["n_embed"] = "6"
      $0.fields["n_head"] = nil
      $0.fields["num_attention_heads"] = "2"
      $0.fields["n_layer"] = nil
      $0.fields["num_hidden_layers"] = "1"
    }
    #expect(checkpoint.configuration == SmallCheckpoint.configuration)
    #expect(checkpoint.configuration.sequenceLength == 2048)
  }

  @Test("The longest sequence is the configuration's own")
  func sequenceLength() async throws {
    let checkpoint = try await open { $0.fields["seq_length"] = "77" }
    #expect(checkpoint.configuration.sequenceLength == 77)
  }

  @Test("A configuration that names its model gives the name; else the folder does")
  func name() async throws {
    let named = try await open { $0.fields["_name_or_path"] = "\"bigscience/bloom-560m\"" }
    #expect(named.name == "bigscience/bloom-560m")
    let unnamed = try await open { _ in }
    #expect(unnamed.name == unnamed.directory.lastPathComponent)
  }

  @Test(
    "A field that cannot be is refused by name",
    arguments: [
      ("hidden_size", "-6"), ("hidden_size", "6.5"), ("n_head", "4"), ("n_head", "0"),
      ("n_layer", "\"one\""), ("vocab_size", "null"), ("layer_norm_epsilon", "0"),
      ("layer_norm_epsilon", "\"x\""), ("eos_token_id", "10"), ("seq_length", "0"),
      ("apply_residual_connection_post_layernorm", "1"), ("model_type", "\"gpt2\""),
      ("n_embed", "7"), ("num_attention_heads", "3"),
    ])
  func refused(_ field: String, _ value: String) async throws {
    let error = try await #require(throws: CheckpointError.self) {
      try await open { $0.fields[field] = value }
    }
    #expect("\(error)".contains("config.json: "))
    #expect("\(error)".contains(field))
  }

  @Test("A configuration that is no JSON is refused", arguments: ["", "{", "[]", "{\"a\":1,}"])
  func notJSON(_ text: String) async throws {
    try await withTemporaryFolder { folder in
      try Data(text.utf8).write(to: folder.appending(path: "config.json"))
      let error = try #require(throws: CheckpointError.self) {
        try Checkpoint(directory: folder)
      }
      #expect("\(error)".contains("config.json"))
    }
  }

  @Test("The parameters of bloom-560m's shape are counted")
  func parameters() {
    let configuration = SyntheticShape.bloom560m.configuration
    #expect(configuration.parameterCount == 559_214_592)
    #expect(configuration.parametersPerBlock * 24 == 302_309_376)
    #expect(configuration.headSize == 64)
  }
}

/// Fields of `config.json` that BLOOM's reference implementation reads, or that say that it is not
/// BLOOM's computation alone.
@Suite("Fields of a configuration")
struct ConfigurationFieldTests {
  private func open(_ fields: [String: String]) async throws -> Checkpoint {
    var checkpoint = SmallCheckpoint()
    checkpoint.fields.merge(fields) { $1 }
    return try await checkpoint.opened()
  }

  @Test(
    "A field that would change the computation is refused by name",
    arguments: [
      ("quantization_config", "{\"quant_method\": \"gptq\", \"bits\": 4}"),
      ("quantization_config", "{}"), ("architectures", "[\"BloomForSequenceClassification\"]"),
      ("architectures", "[\"GPT2LMHeadModel\"]"), ("architectures", "\"BloomForCausalLM\""),
      ("architectures", "[7]"), ("model_type", "\"bloomz\""), ("model_type", "[\"bloom\"]"),
      ("is_encoder_decoder", "true"), ("add_cross_attention", "true"),
      ("is_encoder_decoder", "\"no\""), ("pruned_heads", "{\"0\": [1]}"),
      ("hidden_dropout", "1.5"), ("attention_dropout", "-0.1"), ("pretraining_tp", "0"),
      ("tie_word_embeddings", "\"false\""), ("slow_but_exact", "1"),
      ("apply_residual_connection_post_layernorm", "\"true\""),
    ])
  func refused(_ field: String, _ value: String) async throws {
    let error = try await #require(throws: CheckpointError.self) {
      try await open([field: value])
    }
    guard case .invalidConfiguration(let path, let named, _, _) = error else {
      Issue.record("\(error)")
      return
    }
    #expect(path.hasSuffix("config.json") && named == field, "\(error)")
  }

  @Test("The mode in which the reference leaves out biases is refused where it does")
  func slowButExact() async throws {
    _ = try await open(["slow_but_exact": "true", "pretraining_tp": "1"])
    _ = try await open(["slow_but_exact": "false", "pretraining_tp": "4"])
    let error = try await #require(throws: CheckpointError.self) {
      try await open(["slow_but_exact": "true", "pretraining_tp": "4"])
    }
    #expect("\(error)".contains("slow_but_exact: expected false"), "\(error)")
    #expect("\(error)".contains("pretraining_tp is 4"), "\(error)")
  }

  @Test(
    "A field that changes nothing in what is computed here refuses no model",
    arguments: [
      ("torch_dtype", "\"float64\""), ("dtype", "\"bfloat16\""), ("use_cache", "false"),
      ("initializer_range", "NaN"), ("hidden_dropout", "0.1"), ("attention_dropout", "1"),
      ("attention_softmax_in_fp32", "false"), ("masked_softmax_fusion", "true"),
      ("bias_dropout_fusion", "true"), ("skip_bias_add_qkv", "false"), ("offset_alibi", "100"),
      ("n_inner", "null"), ("n_inner", "24"), ("quantization_config", "null"),
      ("architectures", "[\"BloomModel\"]"), ("architectures", "[]"), ("architectures", "null"),
      ("is_encoder_decoder", "false"), ("pruned_heads", "{}"), ("tie_word_embeddings", "true"),
      ("transformers_version", "\"4.20.0\""), ("temperature", "\"hot\""),
    ])
  func ignored(_ field: String, _ value: String) async throws {
    let opened = try await open([field: value])
    #expect(opened.configuration == SmallCheckpoint.configuration)
    #expect(opened.generationDefaults == GenerationDefaults())
  }
}
