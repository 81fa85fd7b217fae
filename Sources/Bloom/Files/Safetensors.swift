internal import BloomKernels
public import Foundation
import JSONValues
public import TextKeys

/// A safetensors file, mapped and checked, whose tensors are read by name.
///
/// Opening reads the header alone. Source: https://huggingface.co/docs/safetensors.
public final class Safetensors: Sendable {
  /// Shape and type of a tensor.
  public struct Description: Hashable, Sendable {
    /// The tensor's name in the file.
    public let name: String
    /// The type of its elements.
    public let type: SafetensorsType
    /// Its sizes, outermost first.
    public let shape: [Int]
    /// Bytes of data.
    public let byteCount: Int
  }

  let file: MappedFile
  let tensors: TextDictionary<StoredTensor>
  /// The tensors in the order of their data.
  public let descriptions: [Description]
  /// The header's `__metadata__`.
  public let metadata: TextDictionary<String>

  /// Opens a file; throws a ``CheckpointError`` that names the file and the tensor at fault.
  public init(_ url: URL) throws(CheckpointError) {
    let file = try MappedFile(url)
    let header = try SafetensorsHeader(file.bytes, path: file.path)
    self.file = file
    metadata = header.metadata
    descriptions = header.entries.map {
      Description(name: $0.name, type: $0.type, shape: $0.shape, byteCount: $0.bytes.count)
    }
    var tensors: TextDictionary<StoredTensor> = [:]
    for entry in header.entries {
      let start = header.dataStart + entry.bytes.lowerBound
      tensors[entry.name] = StoredTensor(
        file: file, name: entry.name, type: entry.type, shape: entry.shape,
        range: start..<start + entry.bytes.count)
    }
    self.tensors = tensors
  }

  /// The elements of an F32, F16 or BF16 tensor, in row-major order.
  public func floats(_ name: String) throws(CheckpointError) -> [Float] {
    let tensor = try tensor(name)
    guard tensor.type.elementType != nil else {
      throw .wrongType(
        path: file.path, tensor: name, expected: "F32, F16 or BF16", found: tensor.type.rawValue)
    }
    return tensor.floats()
  }

  /// The elements of an I64 tensor.
  public func integers(_ name: String) throws(CheckpointError) -> [Int64] {
    let tensor = try tensor(name)
    guard tensor.type == .i64 else {
      throw .wrongType(
        path: file.path, tensor: name, expected: "I64", found: tensor.type.rawValue)
    }
    let bytes = tensor.bytes
    return (0..<tensor.count).map {
      Int64(littleEndian: bytes.loadUnaligned(fromByteOffset: $0 * 8, as: Int64.self))
    }
  }

  /// A matrix [tokens, hidden] as hidden states; a vector counts as one token.
  public func hiddenStates(_ name: String) throws(CheckpointError) -> HiddenStates {
    let tensor = try tensor(name)
    let shape = tensor.shape.count == 1 ? [1] + tensor.shape : tensor.shape
    guard shape.count == 2,
      let states = try? HiddenStates(
        tokens: shape[0], hidden: shape[1], values: try floats(name))
    else {
      // The values fit their shape by the header's own check: only an empty axis can be refused.
      throw .malformedHeader(
        path: file.path, tensor: name, expected: "shape [tokens, hidden]",
        found: "\(tensor.shape)")
    }
    return states
  }

  private func tensor(_ name: String) throws(CheckpointError) -> StoredTensor {
    guard let tensor = tensors[name] else {
      throw .missingTensor(path: file.path, tensor: name, shape: nil)
    }
    return tensor
  }
}

/// One tensor as a safetensors header describes it.
struct SafetensorsEntry: Hashable, Sendable {
  let name: String
  let type: SafetensorsType
  let shape: [Int]
  /// Bytes within the data that follow the header.
  let bytes: Range<Int>
}

/// The header of a safetensors file, checked against the file's length.
///
/// Layout: the header's length as 64 bits, little-endian; the header, a JSON object; the data, which
/// the tensors cover without gap or overlap (https://huggingface.co/docs/safetensors).
struct SafetensorsHeader: Sendable {
  /// The format's own limit, which keeps a hostile length from being believed.
  static let longest = 100_000_000

  let entries: [SafetensorsEntry]
  let metadata: TextDictionary<String>
  /// Where the data starts in the file.
  let dataStart: Int

  init(_ file: UnsafeRawBufferPointer, path: String) throws(CheckpointError) {
    guard file.count >= 8 else {
      throw .truncatedHeader(path: path, expected: 8, found: file.count)
    }
    let length = UInt64(littleEndian: file.loadUnaligned(as: UInt64.self))
    guard length <= UInt64(Self.longest) else {
      throw .malformedHeader(
        path: path, tensor: nil, expected: "a length up to \(Self.longest)", found: "\(length)")
    }
    dataStart = 8 + Int(length)
    guard dataStart <= file.count else {
      throw .truncatedHeader(path: path, expected: dataStart, found: file.count)
    }
    let header: JSON
    do {
      header = try JSON.parse(
        UnsafeRawBufferPointer(rebasing: file[8..<dataStart]), dialect: .python)
    } catch {
      throw .malformedJSON(path: path, reason: "header: \(error.detail)")
    }
    guard let members = header.objectValue?.members else {
      throw .malformedHeader(
        path: path, tensor: nil, expected: "an object", found: header.summary)
    }
    var metadata: TextDictionary<String> = [:]
    var entries: [SafetensorsEntry] = []
    for member in members {
      if member.key == "__metadata__" {
        for pair in member.value.objectValue?.members ?? [] {
          metadata[pair.key] = pair.value.stringValue
        }
      } else {
        entries.append(try Self.entry(member.key, member.value, path: path))
      }
    }
    self.metadata = metadata
    self.entries = entries.sorted {
      ($0.bytes.lowerBound, $0.bytes.upperBound, TextKey($0.name))
        < ($1.bytes.lowerBound, $1.bytes.upperBound, TextKey($1.name))
    }
    try Self.check(self.entries, available: file.count - dataStart, path: path)
  }

  private static func entry(
    _ name: String, _ node: JSON, path: String
  ) throws(CheckpointError) -> SafetensorsEntry {
    func fault(_ expected: String, _ found: JSON?) -> CheckpointError {
      .malformedHeader(
        path: path, tensor: name, expected: expected, found: found?.summary ?? "nothing")
    }
    guard let typeName = node["dtype"]?.stringValue else {
      throw fault("dtype", node["dtype"])
    }
    let type = SafetensorsType(rawValue: typeName)
    func sizes(_ field: String) throws(CheckpointError) -> [Int] {
      guard let elements = node[field]?.arrayValue else {
        throw fault("\(field), an array", node[field])
      }
      var sizes: [Int] = []
      for element in elements {
        guard let size = element.intValue, size >= 0 else {
          throw fault("\(field) of whole numbers from 0 to \(Int.max)", element)
        }
        sizes.append(size)
      }
      return sizes
    }
    let shape = try sizes("shape")
    let offsets = try sizes("data_offsets")
    guard offsets.count == 2, offsets[0] <= offsets[1] else {
      throw fault("data_offsets, two ascending offsets", node["data_offsets"])
    }
    let bytes = offsets[0]..<offsets[1]
    // The elements of a type that nobody here knows may be of any size.
    if let bits = type.bits {
      guard let length = length(of: shape, bits) else {
        throw fault("a shape of less than 2^63 bits", node["shape"])
      }
      // Elements smaller than a byte fill whole bytes together.
      guard length.isMultiple(of: 8) else {
        throw fault("a shape of whole bytes, with \(bits) bits an element", node["shape"])
      }
      guard length / 8 == bytes.count else {
        let isWeight = type.elementType != nil || QuantizedLayout.of(type) != nil
        throw .wrongLength(
          path: path, tensor: name,
          type: typeName + (isWeight ? "" : " (weights are F32, F16, BF16, I8 or U8)"),
          expected: length / 8, found: bytes.count)
      }
    }
    return SafetensorsEntry(name: name, type: type, shape: shape, bytes: bytes)
  }

  /// Bits of a tensor; nil when they are too many to count.
  private static func length(of shape: [Int], _ bits: Int) -> Int? {
    if shape.contains(0) { return 0 }
    var length = bits
    for size in shape {
      let (product, overflow) = length.multipliedReportingOverflow(by: size)
      if overflow { return nil }
      length = product
    }
    return length
  }

  /// Entries must come sorted by their offsets.
  private static func check(
    _ entries: [SafetensorsEntry], available: Int, path: String
  ) throws(CheckpointError) {
    for entry in entries where entry.bytes.upperBound > available {
      throw .outsideFile(
        path: path, tensor: entry.name, bytes: entry.bytes, available: available,
        needed: length(of: entries))
    }
    var covered = 0
    var last = ""
    for entry in entries where !entry.bytes.isEmpty {
      if entry.bytes.lowerBound < covered {
        throw .overlappingTensors(path: path, tensor: entry.name, other: last)
      }
      if entry.bytes.lowerBound > covered {
        throw .unclaimedBytes(path: path, bytes: covered..<entry.bytes.lowerBound)
      }
      covered = entry.bytes.upperBound
      last = entry.name
    }
    if covered < available { throw .unclaimedBytes(path: path, bytes: covered..<available) }
  }

  /// The bytes that sorted entries fill; nil when they leave gaps or overlap.
  private static func length(of entries: [SafetensorsEntry]) -> Int? {
    var covered = 0
    for entry in entries {
      guard entry.bytes.lowerBound == covered else { return nil }
      covered = entry.bytes.upperBound
    }
    return covered
  }
}

/// The element type that a safetensors file names.
///
/// The set is open: a file may hold tensors that a model does not need, of unsupported types. A
/// type is checked when its tensor is used. Source: `dtype` of
/// https://docs.rs/safetensors (0.8).
public struct SafetensorsType: RawRepresentable, Hashable, Sendable {
  /// The file's spelling.
  public let rawValue: String

  /// A type by its spelling, known or not.
  public init(rawValue: String) { self.rawValue = rawValue }

  /// 8-bit integers: weights, with scales in another tensor.
  public static let i8 = Self(rawValue: "I8")
  /// Bytes: two 4-bit integers each, weights with scales in another tensor.
  public static let u8 = Self(rawValue: "U8")
  /// IEEE 754 binary16.
  public static let f16 = Self(rawValue: "F16")
  /// The upper half of a binary32.
  public static let bf16 = Self(rawValue: "BF16")
  /// IEEE 754 binary32.
  public static let f32 = Self(rawValue: "F32")
  /// 64-bit integers.
  public static let i64 = Self(rawValue: "I64")

  /// Bits an element; nil for an unknown type.
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

/// A tensor where it lies in its mapped file.
struct StoredTensor: Sendable {
  let file: MappedFile
  let name: String
  let type: SafetensorsType
  /// The matrix's or vector's own sizes: those of 4-bit weights count elements, not bytes.
  let shape: [Int]
  /// Bytes within the file.
  let range: Range<Int>

  /// Elements; none, however large the other sizes are, when one size is 0.
  var count: Int { shape.contains(0) ? 0 : shape.reduce(1, *) }

  /// The type as a weight's, for a tensor of a checked checkpoint.
  var elementType: ElementType {
    QuantizedLayout.of(type)?.elementType ?? type.elementType ?? .f32
  }

  /// The same bytes as a tensor of another shape.
  func reshaped(_ shape: [Int]) -> StoredTensor {
    StoredTensor(file: file, name: name, type: type, shape: shape, range: range)
  }

  /// Valid while `file` lives.
  var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: file.bytes[range]) }

  /// Some elements as 32-bit floats; only for types that are numbers by themselves.
  func copy(_ elements: Range<Int>, into target: UnsafeMutablePointer<Float>) {
    guard let source = bytes.baseAddress else { return }
    bloom_to_float(
      elementType.kernelElement, source + elements.lowerBound * elementType.size, elements.count,
      target)
  }

  /// All elements, likewise.
  func floats() -> [Float] {
    [Float](unsafeUninitializedCapacity: count) { buffer, filled in
      if let target = buffer.baseAddress { copy(0..<count, into: target) }
      filled = count
    }
  }
}

/// How a weight of a BLOOM checkpoint is stored.
public enum ElementType: String, Hashable, Sendable, CaseIterable {
  /// IEEE 754 binary32.
  case f32 = "F32"
  /// IEEE 754 binary16.
  case f16 = "F16"
  /// The upper half of a binary32.
  case bf16 = "BF16"
  /// 8-bit integers; each 64 neighbours in a row share a float32 scale, which is in a tensor of
  /// its own (`QuantizedLayout`). For matrices alone.
  case q8 = "Q8"
  /// 4-bit integers, two in a byte; each 64 neighbours in a row share a bfloat16 scale, which is in a
  /// tensor of its own. For matrices alone.
  case q4 = "Q4"

  /// Bytes an element, without its share of a scale; of 4-bit integers, two elements take one.
  public var size: Int {
    switch self {
    case .f32: 4
    case .f16, .bf16: 2
    case .q8, .q4: 1
    }
  }

  /// Bytes of a row of so many elements, without its scales.
  public func byteCount(ofRow columns: Int) -> Int {
    self == .q4 ? QuantizedLayout.q4.rowBytes(columns) : columns * size
  }

  /// Bytes of a weight in a long row, with its share of a scale.
  public var bytesPerWeight: Double {
    let group = QuantizedLayout.group
    return switch self {
    case .f32, .f16, .bf16: Double(size)
    case .q8, .q4:
      Double(byteCount(ofRow: group) + (self == .q8 ? 4 : 2)) / Double(group)
    }
  }

  /// The spelling of `torch_dtype` in a configuration.
  public var torchName: String {
    switch self {
    case .f32: "float32"
    case .f16: "float16"
    case .bf16: "bfloat16"
    case .q8: "int8"
    case .q4: "int4"
    }
  }

  /// For elements that are numbers by themselves.
  var kernelElement: bloom_element {
    switch self {
    case .f32: BLOOM_F32
    case .f16: BLOOM_F16
    case .bf16: BLOOM_BF16
    case .q8, .q4: preconditionFailure("quantized weights have kernels of their own")
    }
  }
}
