import Foundation
import PlumiseWire

/// A safetensors file as bytes by name, read and written without the code under test.
struct TensorBytes {
  /// One tensor as it is stored.
  struct Tensor {
    let type: String
    let shape: [Int64]
    let bytes: Data

    /// Writes a file that holds this tensor alone.
    func write(as name: String, to path: String) throws {
      let shape = shape.map { "\($0)" }.joined(separator: ",")
      let header = Array(
        """
        {"\(name)":{"dtype":"\(type)","shape":[\(shape)],"data_offsets":[0,\(bytes.count)]}}
        """.utf8)
      let length = (0..<8).map { UInt8(truncatingIfNeeded: header.count >> (8 * $0)) }
      try (Data(length) + Data(header) + bytes).write(to: URL(filePath: path))
    }
  }

  private let tensors: [String: Tensor]

  var names: [String] { tensors.keys.sorted() }

  init(_ path: String) throws {
    let file = try Data(contentsOf: URL(filePath: path))
    let length = file.prefix(8).reversed().reduce(0) { $0 << 8 | Int($1) }
    let header = try JSON.parse(file[8..<8 + length])
    var tensors: [String: Tensor] = [:]
    for member in header.objectValue?.members ?? [] where member.key != "__metadata__" {
      guard let type = member.value["dtype"]?.stringValue,
        let shape = member.value["shape"]?.arrayValue?.compactMap(\.integerValue),
        let offsets = member.value["data_offsets"]?.arrayValue?.compactMap(\.integerValue),
        offsets.count == 2
      else { continue }
      let bytes = file[8 + length + Int(offsets[0])..<8 + length + Int(offsets[1])]
      tensors[member.key] = Tensor(type: type, shape: shape, bytes: bytes)
    }
    self.tensors = tensors
  }

  func tensor(_ name: String) -> Tensor? { tensors[name] }

  func bytes(_ name: String) -> Data? { tensors[name]?.bytes }

  /// The numbers of an F32 tensor.
  func floats(_ name: String) -> [Float]? {
    guard let tensor = tensors[name], tensor.type == "F32" else { return nil }
    return Self.words(tensor.bytes, of: UInt32.self).map(Float.init(bitPattern:))
  }

  /// The numbers of an I64 tensor.
  func integers(_ name: String) -> [Int64]? {
    guard let tensor = tensors[name], tensor.type == "I64" else { return nil }
    return Self.words(tensor.bytes, of: UInt64.self).map(Int64.init(bitPattern:))
  }

  /// Little-endian numbers.
  private static func words<Word: FixedWidthInteger>(_ bytes: Data, of type: Word.Type) -> [Word] {
    let size = MemoryLayout<Word>.size
    return stride(from: bytes.startIndex, to: bytes.endIndex, by: size).map { start in
      bytes[start..<start + size].reversed().reduce(0) { $0 << 8 | Word($1) }
    }
  }
}
