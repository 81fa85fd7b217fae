/// The element type that a safetensors file names.
///
/// The set is open: a file may hold tensors that a model does not need, of types that nobody here
/// knows. A type is judged where its tensor is used. Source: `dtype` of
/// https://docs.rs/safetensors (0.8).
public struct SafetensorsType: RawRepresentable, Hashable, Sendable {
  /// The file's spelling.
  public let rawValue: String

  /// A type by its spelling, known or not.
  public init(rawValue: String) { self.rawValue = rawValue }

  /// 8-bit integers: weights, with scales beside them.
  public static let i8 = Self(rawValue: "I8")
  /// IEEE 754 binary16.
  public static let f16 = Self(rawValue: "F16")
  /// The upper half of a binary32.
  public static let bf16 = Self(rawValue: "BF16")
  /// IEEE 754 binary32.
  public static let f32 = Self(rawValue: "F32")
  /// 64-bit integers.
  public static let i64 = Self(rawValue: "I64")

  /// Bits an element; nil for a type that nobody here knows.
  public var bits: Int? {
    switch rawValue {
    case "F4": 4
    case "F6_E2M3", "F6_E3M2": 6
    case "BOOL", "U8", "I8", "F8_E5M2", "F8_E4M3", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ": 8
    case "I16", "U16", "F16", "BF16": 16
    case "I32", "U32", "F32": 32
    case "C64", "F64", "I64", "U64": 64
    default: nil
    }
  }

  /// The same type as a weight's, when weights may have it by themselves.
  public var elementType: ElementType? { ElementType(rawValue: rawValue) }
}
