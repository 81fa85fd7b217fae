import Bloom
import Foundation

extension SmallCheckpoint {
  /// Adds a tensor with the bytes it has in its file.
  mutating func add(_ name: String, _ type: String, _ shape: [Int], _ bytes: [UInt8]) {
    let start = data.count
    data += bytes
    tensors.append(Tensor(name: name, type: type, shape: shape, offsets: [start, data.count]))
  }

  /// Adds a matrix or vector of F32.
  mutating func add(_ name: String, _ shape: [Int], _ values: [Float]) {
    add(
      name, "F32", shape,
      values.flatMap { withUnsafeBytes(of: $0.bitPattern.littleEndian, Array.init) })
  }

  /// Gives one element of an F32 tensor another value.
  mutating func set(_ name: String, _ index: Int, to value: Float) {
    guard let tensor = tensors.first(where: { $0.name == name }) else {
      preconditionFailure("no tensor \(name)")
    }
    let start = tensor.offsets[0] + 4 * index
    data.replaceSubrange(
      start..<start + 4, with: withUnsafeBytes(of: value.bitPattern.littleEndian, Array.init))
  }

  /// The values of an F32 tensor.
  func values(_ name: String) -> [Float] {
    guard let tensor = tensors.first(where: { $0.name == name }) else { return [] }
    return stride(from: tensor.offsets[0], to: tensor.offsets[1], by: 4).map { start in
      Float(
        bitPattern: data[start..<start + 4].reversed().reduce(0) { $0 << 8 | UInt32($1) })
    }
  }

  /// Writes the checkpoint to a folder of its own, with a `generation_config.json` if there is a text
  /// for one, and opens it.
  func opened(generation: String? = nil) async throws -> Checkpoint {
    try await withTemporaryFolder { folder in
      try write(to: folder)
      if let generation {
        try Data(generation.utf8).write(to: folder.appending(path: "generation_config.json"))
      }
      // What is mapped stays readable after its name is gone.
      return try Checkpoint(directory: folder)
    }
  }
}
