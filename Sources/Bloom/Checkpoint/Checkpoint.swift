public import Foundation
import Synchronization
import TextKeys

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
  /// What `generation_config.json` says of how texts are made.
  public let generationDefaults: GenerationDefaults
  private let tensors: TextDictionary<StoredTensor>
  private let digest = Mutex<String?>(nil)

  /// Opens a folder with `config.json` and `model.safetensors` or its shards (Numerics.md, The
  /// model).
  public init(directory: URL) throws(CheckpointError) {
    let path = directory.path(percentEncoded: false)
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), isFolder.boolValue
    else { throw .missingFolder(path: path) }
    let file = try ConfigurationFile(directory: directory)
    let stored = try CheckpointFiles.open(directory)
    var tensors: TextDictionary<StoredTensor> = [:]
    for (name, shape) in CheckpointLayout.tensors(file.configuration) {
      guard let tensor = stored[name] else {
        throw .missingTensor(path: path, tensor: name, shape: shape)
      }
      try Self.require(tensor, shape)
      tensors[name] = tensor
      if tensor.type == .i8 {
        let scaleName = QuantizedLayout.scaleName(name)
        let scaleShape = QuantizedLayout.scaleShape(shape)
        guard let scale = stored[scaleName] else {
          throw .missingTensor(path: path, tensor: scaleName, shape: scaleShape)
        }
        try Self.require(scale, scaleShape, only: .f32)
        tensors[scaleName] = scale
      }
    }
    self.directory = directory
    self.tensors = tensors
    configuration = file.configuration
    generationDefaults = file.generationDefaults
    self.name = file.modelName ?? directory.standardizedFileURL.lastPathComponent
  }

  /// Vectors are floats; matrices may be 8-bit integers with scales beside them.
  private static func require(
    _ tensor: StoredTensor, _ shape: [Int], only type: SafetensorsType? = nil
  ) throws(CheckpointError) {
    let isAllowed =
      type.map { tensor.type == $0 }
      ?? (tensor.type.elementType != nil || (tensor.type == .i8 && shape.count == 2))
    guard isAllowed else {
      let expected = type?.rawValue ?? "F32, F16 or BF16" + (shape.count == 2 ? " or I8" : "")
      throw .wrongType(
        path: tensor.file.path, tensor: tensor.name, expected: expected,
        found: tensor.type.rawValue)
    }
    guard tensor.shape == shape else {
      throw .wrongShape(
        path: tensor.file.path, tensor: tensor.name, expected: shape, found: tensor.shape)
    }
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
    return tensor(name).elementType
  }

  /// Every required tensor, in the order of the forward pass; scales behind their matrices.
  var required: [(name: String, tensor: StoredTensor)] {
    CheckpointLayout.tensors(configuration).flatMap { name, _ in
      [(name, tensor(name))] + (scales(of: name).map { [($0.name, $0)] } ?? [])
    }
  }

  /// The scales of a matrix of 8-bit weights; nil for one of floats.
  func scales(of name: String) -> StoredTensor? { tensors[QuantizedLayout.scaleName(name)] }

  /// A required tensor.
  func tensor(_ name: String) -> StoredTensor {
    guard let tensor = tensors[name] else {
      preconditionFailure("\(name) is not a tensor of this checkpoint's layout")
    }
    return tensor
  }

  package func matrix(_ name: String) -> WeightMatrix {
    WeightMatrix(tensor(name), scales: scales(of: name))
  }

  func vector(_ name: String) -> FloatBuffer { FloatBuffer(tensor(name)) }
}
