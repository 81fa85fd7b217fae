internal import BloomKernels
import TextKeys

/// The tensors that a BLOOM checkpoint must hold, by their names without `transformer.`.
package enum CheckpointLayout {
  /// Names before the embedding's rows, in Hugging Face's spelling.
  static let embedding = "word_embeddings.weight"
  static let embeddingNorm = "word_embeddings_layernorm"
  static let finalNorm = "ln_f"
  /// The LM head's own matrix, where the embedding is not the head's too.
  static let head = "lm_head.weight"
  /// Some checkpoints put this before every name.
  static let prefix = "transformer."

  /// The tensors of one block, in the order of the forward pass.
  enum BlockTensor: String, CaseIterable {
    case inputNormWeight = "input_layernorm.weight"
    case inputNormBias = "input_layernorm.bias"
    case queryKeyValueWeight = "self_attention.query_key_value.weight"
    case queryKeyValueBias = "self_attention.query_key_value.bias"
    case denseWeight = "self_attention.dense.weight"
    case denseBias = "self_attention.dense.bias"
    case outputNormWeight = "post_attention_layernorm.weight"
    case outputNormBias = "post_attention_layernorm.bias"
    case upWeight = "mlp.dense_h_to_4h.weight"
    case upBias = "mlp.dense_h_to_4h.bias"
    case downWeight = "mlp.dense_4h_to_h.weight"
    case downBias = "mlp.dense_4h_to_h.bias"

    func name(block: Int) -> String { "h.\(block).\(rawValue)" }

    func shape(_ configuration: BloomConfiguration) -> [Int] {
      let hidden = configuration.hiddenSize
      let inner = configuration.innerSize
      return switch self {
      case .inputNormWeight, .inputNormBias, .denseBias, .outputNormWeight, .outputNormBias,
        .downBias:
        [hidden]
      case .queryKeyValueWeight: [3 * hidden, hidden]
      case .queryKeyValueBias: [3 * hidden]
      case .denseWeight: [hidden, hidden]
      case .upWeight: [inner, hidden]
      case .upBias: [inner]
      case .downWeight: [hidden, inner]
      }
    }
  }

  /// Every required tensor with its shape, in the order of the forward pass.
  package static func tensors(
    _ configuration: BloomConfiguration
  ) -> [(name: String, shape: [Int])] {
    let hidden = configuration.hiddenSize
    var tensors: [(name: String, shape: [Int])] = [
      (embedding, [configuration.vocabularySize, hidden]),
      ("\(embeddingNorm).weight", [hidden]),
      ("\(embeddingNorm).bias", [hidden]),
    ]
    for block in 0..<configuration.blockCount {
      for tensor in BlockTensor.allCases {
        tensors.append((tensor.name(block: block), tensor.shape(configuration)))
      }
    }
    tensors.append(("\(finalNorm).weight", [hidden]))
    tensors.append(("\(finalNorm).bias", [hidden]))
    if !configuration.tiesWordEmbeddings {
      tensors.append((head, [configuration.vocabularySize, hidden]))
    }
    return tensors
  }

  /// The name without `transformer.`.
  static func canonical(_ name: String) -> String {
    guard name.starts(withExactly: prefix) else { return name }
    return String(decoding: name.utf8.dropFirst(prefix.utf8.count), as: UTF8.self)
  }
}

/// How quantized weights lie in a checkpoint.
///
/// A matrix `name` [rows, columns] is a tensor of integers with a tensor `name_scale` [rows, groups] beside
/// it: each 64 neighbours in a row share a scale, and a weight is its integer times that. Vectors stay
/// floats.
///
/// * 8 bits: I8 [rows, columns], scales F32.
/// * 4 bits: U8 [rows, 32 · groups], scales BF16. The 32 bytes of a group are 16 words of 16 bits
///   (little-endian); word i has columns i, 16 + i, 32 + i and 48 + i, from its lowest bits on.
enum QuantizedLayout: CaseIterable {
  case q8
  case q4

  /// Neighbours in a row that share a scale.
  static let group = Int(BLOOM_Q8_GROUP)

  /// Scales in a row of so many weights.
  static func groups(_ columns: Int) -> Int { (columns + group - 1) / group }

  /// The tensor of a matrix's scales.
  static func scaleName(_ name: String) -> String { name + "_scale" }

  /// The shape of that tensor.
  static func scaleShape(_ shape: [Int]) -> [Int] { [shape[0], groups(shape[1])] }

  /// The layout of matrices of a stored type; nil for one of floats.
  static func of(_ type: SafetensorsType) -> Self? {
    allCases.first { $0.weightType == type }
  }

  /// The type of such weights.
  var elementType: ElementType {
    switch self {
    case .q8: .q8
    case .q4: .q4
    }
  }

  /// The type of the tensor of integers.
  var weightType: SafetensorsType {
    switch self {
    case .q8: .i8
    case .q4: .u8
    }
  }

  /// The type of the tensor of scales.
  var scaleType: SafetensorsType {
    switch self {
    case .q8: .f32
    case .q4: .bf16
    }
  }

  /// Bytes of a row of so many weights.
  func rowBytes(_ columns: Int) -> Int {
    switch self {
    case .q8: columns
    case .q4: Self.groups(columns) * Int(BLOOM_Q4_GROUP_BYTES)
    }
  }

  /// The shape of the tensor of integers for a matrix [rows, columns].
  func weightShape(_ shape: [Int]) -> [Int] { [shape[0], rowBytes(shape[1])] }
}
