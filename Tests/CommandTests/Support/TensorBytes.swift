import Foundation
import PlumiseWire

/// A safetensors file as bytes by name, read without the code under test.
struct TensorBytes {
  private let tensors: [String: Data]

  var names: [String] { tensors.keys.sorted() }

  init(_ path: String) throws {
    let file = try Data(contentsOf: URL(filePath: path))
    let length = file.prefix(8).reversed().reduce(0) { $0 << 8 | Int($1) }
    let header = try JSON.parse(file[8..<8 + length])
    var tensors: [String: Data] = [:]
    for member in header.objectValue?.members ?? [] where member.key != "__metadata__" {
      guard let offsets = member.value["data_offsets"]?.arrayValue?.compactMap(\.integerValue),
        offsets.count == 2
      else { continue }
      tensors[member.key] = file[8 + length + Int(offsets[0])..<8 + length + Int(offsets[1])]
    }
    self.tensors = tensors
  }

  func bytes(_ name: String) -> Data? { tensors[name] }
}
