public import Foundation
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
