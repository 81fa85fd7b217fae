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

/// Every element type a safetensors file may name.
public enum SafetensorsType: String, Hashable, Sendable, CaseIterable {
  case bool = "BOOL"
  case u8 = "U8"
  case i8 = "I8"
  case f8E4M3 = "F8_E4M3"
  case f8E5M2 = "F8_E5M2"
  case i16 = "I16"
  case u16 = "U16"
  case f16 = "F16"
  case bf16 = "BF16"
  case i32 = "I32"
  case u32 = "U32"
  case f32 = "F32"
  case f64 = "F64"
  case i64 = "I64"
  case u64 = "U64"

  /// Bytes an element.
  public var size: Int {
    switch self {
    case .bool, .u8, .i8, .f8E4M3, .f8E5M2: 1
    case .i16, .u16, .f16, .bf16: 2
    case .i32, .u32, .f32: 4
    case .f64, .i64, .u64: 8
    }
  }

  /// The same type as a weight's, when weights may have it by themselves.
  public var elementType: ElementType? { ElementType(rawValue: rawValue) }
}
