internal import BloomKernels

/// How a weight of a BLOOM checkpoint is stored.
public enum ElementType: String, Hashable, Sendable, CaseIterable {
  /// IEEE 754 binary32.
  case f32 = "F32"
  /// IEEE 754 binary16.
  case f16 = "F16"
  /// The upper half of a binary32.
  case bf16 = "BF16"
  /// 8-bit integers; each 64 neighbours in a row share a float32 scale, which lies in a tensor of
  /// its own (``QuantizedLayout``). For matrices alone.
  case q8 = "Q8"

  /// Bytes an element, without its share of a scale.
  public var size: Int {
    switch self {
    case .f32: 4
    case .f16, .bf16: 2
    case .q8: 1
    }
  }

  /// The spelling of `torch_dtype` in a configuration.
  public var torchName: String {
    switch self {
    case .f32: "float32"
    case .f16: "float16"
    case .bf16: "bfloat16"
    case .q8: "int8"
    }
  }

  /// For elements that are numbers by themselves.
  var kernelElement: bloom_element {
    switch self {
    case .f32: BLOOM_F32
    case .f16: BLOOM_F16
    case .bf16: BLOOM_BF16
    case .q8: preconditionFailure("8-bit weights have kernels of their own")
    }
  }
}
