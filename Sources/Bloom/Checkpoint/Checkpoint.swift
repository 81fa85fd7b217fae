public import Foundation
import Synchronization

/// A BLOOM checkpoint in Hugging Face layout, checked and mapped, not read.
///
/// Opening parses the headers and compares every required tensor's type and shape with the
/// configuration; the weights themselves are touched only when they are used.
public final class Checkpoint: Sendable {
  /// The checkpoint's folder.
  public let directory: URL
  /// The model's shape.
  public let configuration: BloomConfiguration
  /// `_name_or_path` of the configuration, else the folder's name.
  public let name: String
  private let tensors: [String: StoredTensor]
  private let digest = Mutex<String?>(nil)

  /// Opens a folder with `config.json` and `model.safetensors` or its shards (WIRE §5).
  public init(directory: URL) throws(CheckpointError) {
    let path = directory.path(percentEncoded: false)
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), isFolder.boolValue
    else { throw .missingFolder(path: path) }
    let file = try ConfigurationFile(directory: directory)
    let stored = try CheckpointFiles.open(directory)
    var tensors: [String: StoredTensor] = [:]
    for (name, shape) in CheckpointLayout.tensors(file.configuration) {
      guard let tensor = stored[name] else {
        throw .missingTensor(path: path, tensor: name, shape: shape)
      }
      guard tensor.type.elementType != nil else {
        throw .wrongType(
          path: tensor.file.path, tensor: tensor.name, expected: "F32, F16 or BF16",
          found: tensor.type.rawValue)
      }
      guard tensor.shape == shape else {
        throw .wrongShape(
          path: tensor.file.path, tensor: tensor.name, expected: shape, found: tensor.shape)
      }
      tensors[name] = tensor
    }
    self.directory = directory
    self.tensors = tensors
    configuration = file.configuration
    self.name = file.modelName ?? directory.standardizedFileURL.lastPathComponent
  }

  /// Tells two models apart: SHA-256, in lowercase hexadecimal, over the configuration, the
  /// tensors' names, types and shapes, and the first KiB of each tensor.
  ///
  /// Computed at first use; it touches one page of each tensor.
  public var fingerprint: String {
    digest.withLock { known in
      if let known { return known }
      let computed = Fingerprint.of(configuration, required)
      known = computed
      return computed
    }
  }

  /// The element type of the blocks' matrices.
  public var elementType: ElementType {
    let name = CheckpointLayout.BlockTensor.queryKeyValueWeight.name(block: 0)
    return tensor(name).type.elementType ?? .f32
  }

  /// Every required tensor, in the order of the forward pass.
  var required: [(name: String, tensor: StoredTensor)] {
    CheckpointLayout.tensors(configuration).map { ($0.name, tensor($0.name)) }
  }

  /// A required tensor.
  func tensor(_ name: String) -> StoredTensor {
    guard let tensor = tensors[name] else {
      preconditionFailure("\(name) is not a tensor of this checkpoint's layout")
    }
    return tensor
  }

  func matrix(_ name: String) -> WeightMatrix { WeightMatrix(tensor(name)) }

  func vector(_ name: String) -> FloatBuffer { FloatBuffer(tensor(name)) }
}
