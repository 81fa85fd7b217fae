import Crypto
public import Foundation
import JSONValues
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
  /// The generation settings of `generation_config.json`.
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
      let layout = shape.count == 2 ? QuantizedLayout.of(tensor.type) : nil
      try Self.require(tensor, layout?.weightShape(shape) ?? shape)
      tensors[name] = tensor.reshaped(shape)
      if let layout {
        let scaleName = QuantizedLayout.scaleName(name)
        let scaleShape = QuantizedLayout.scaleShape(shape)
        guard let scale = stored[scaleName] else {
          throw .missingTensor(path: path, tensor: scaleName, shape: scaleShape)
        }
        try Self.require(scale, scaleShape, only: layout.scaleType)
        tensors[scaleName] = scale
      }
    }
    self.directory = directory
    self.tensors = tensors
    configuration = file.configuration
    generationDefaults = file.generationDefaults
    self.name = file.modelName ?? directory.standardizedFileURL.lastPathComponent
  }

  /// Vectors are floats; matrices may be 8-bit or 4-bit integers with scales beside them.
  private static func require(
    _ tensor: StoredTensor, _ shape: [Int], only type: SafetensorsType? = nil
  ) throws(CheckpointError) {
    let isAllowed =
      type.map { tensor.type == $0 }
      ?? (tensor.type.elementType != nil
        || (QuantizedLayout.of(tensor.type) != nil && shape.count == 2))
    guard isAllowed else {
      let expected =
        type?.rawValue ?? (shape.count == 2 ? "F32, F16, BF16, I8 or U8" : "F32, F16 or BF16")
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

  /// The scales of a matrix of quantized weights; nil for one of floats.
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

/// The weight files of a checkpoint: one `model.safetensors`, or shards with their index.
enum CheckpointFiles {
  /// Opens every file and collects the tensors by their names without `transformer.`.
  static func open(_ directory: URL) throws(CheckpointError) -> TextDictionary<StoredTensor> {
    let single = directory.appending(path: "model.safetensors")
    let index = directory.appending(path: "model.safetensors.index.json")
    if FileManager.default.fileExists(atPath: single.path(percentEncoded: false)) {
      let file = try Safetensors(single)
      return try collect(file.tensors.values.map { ($0, isIndexed: false) })
    }
    guard FileManager.default.fileExists(atPath: index.path(percentEncoded: false)) else {
      throw .missingWeights(folder: directory.path(percentEncoded: false))
    }
    return try shards(index, in: directory)
  }

  private static func shards(
    _ index: URL, in directory: URL
  ) throws(CheckpointError) -> TextDictionary<StoredTensor> {
    let path = index.path(percentEncoded: false)
    let map = try weightMap(index)
    var files: TextDictionary<Safetensors> = [:]
    for name in Set(map.values.map { TextKey($0) }).sorted().map(\.text) {
      // An index may only name files beside itself.
      guard !name.utf8.contains(UInt8(ascii: "/")), name != "..", !name.isEmpty else {
        throw .contradictoryIndex(
          path: path, tensor: "weight_map", expected: "names of files in the same folder",
          found: name)
      }
      files[name] = try Safetensors(directory.appending(path: name))
    }
    for (tensor, file) in map where files[file]?.tensors[tensor] == nil {
      throw .contradictoryIndex(
        path: path, tensor: tensor, expected: "the tensor in \(file)",
        found: "a file without it")
    }
    // Where shards hold the same tensor, the index says which one counts.
    return try collect(
      files.sorted { TextKey($0.key) < TextKey($1.key) }.flatMap { name, file in
        file.tensors.map { ($0.value, isIndexed: map[$0.key]?.isExactly(name) ?? false) }
      })
  }

  private static func weightMap(_ index: URL) throws(CheckpointError) -> TextDictionary<String> {
    let file = try MappedFile(index)
    let root: JSON
    do {
      root = try JSON.parse(file.bytes, dialect: .python)
    } catch {
      throw .malformedJSON(path: file.path, reason: error.detail)
    }
    guard let members = root["weight_map"]?.objectValue?.members else {
      throw .malformedJSON(path: file.path, reason: "expected an object weight_map")
    }
    var map: TextDictionary<String> = [:]
    for member in members {
      guard let name = member.value.stringValue else {
        throw .contradictoryIndex(
          path: file.path, tensor: member.key, expected: "a file name",
          found: member.value.summary)
      }
      map[member.key] = name
    }
    return map
  }

  /// The tensors by their names without `transformer.`; those that an index names come before others
  /// of the same name.
  private static func collect(
    _ found: [(tensor: StoredTensor, isIndexed: Bool)]
  ) throws(CheckpointError) -> TextDictionary<StoredTensor> {
    var tensors: TextDictionary<(tensor: StoredTensor, isIndexed: Bool)> = [:]
    for next in found.filter(\.isIndexed) + found.filter({ !$0.isIndexed }) {
      let name = CheckpointLayout.canonical(next.tensor.name)
      guard let other = tensors[name] else {
        tensors[name] = next
        continue
      }
      guard other.isIndexed, !next.isIndexed else {
        throw .contradictoryIndex(
          path: next.tensor.file.path, tensor: next.tensor.name, expected: "each tensor once",
          found: "it also in \(other.tensor.file.path) as \(other.tensor.name)")
      }
    }
    return tensors.mapValues(\.tensor)
  }
}

/// What tells one checkpoint from another without reading all of it.
enum Fingerprint {
  static func of(
    _ configuration: BloomConfiguration, _ tensors: [(name: String, tensor: StoredTensor)]
  ) -> String {
    var hash = SHA256()
    let shape = [
      configuration.vocabularySize, configuration.hiddenSize, configuration.headCount,
      configuration.blockCount, configuration.residualAfterLayerNorm ? 1 : 0,
      Int(configuration.layerNormEpsilon.bitPattern),
    ]
    hash.update(data: Data("\(shape)\n".utf8))
    for (name, tensor) in tensors {
      hash.update(data: Data("\(name) \(tensor.type.rawValue) \(tensor.shape)\n".utf8))
      hash.update(bufferPointer: UnsafeRawBufferPointer(rebasing: tensor.bytes.prefix(1024)))
    }
    return hash.finalize().map { byte in
      let digits = String(byte, radix: 16)
      return byte < 16 ? "0" + digits : digits
    }.joined()
  }
}
