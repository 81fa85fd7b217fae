import Bloom
import Foundation
import Testing

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
