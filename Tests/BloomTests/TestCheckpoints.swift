import Bloom
import Foundation
import Synchronization
import TestSupport

/// A checkpoint of one block that can be written whole or with any fault.
struct SmallCheckpoint {
  struct Tensor {
    var name: String
    var type: String
    var shape: [Int]
    /// Bytes within the data.
    var offsets: [Int]
  }

  static let configuration: BloomConfiguration = {
    do {
      return try BloomConfiguration(
        vocabularySize: 10, hiddenSize: 6, headCount: 2, blockCount: 1, eosTokenID: 2)
    } catch {
      preconditionFailure("a fixed shape is valid: \(error)")
    }
  }()

  /// Fields of `config.json`, values as JSON texts.
  var fields = [
    "model_type": "\"bloom\"", "vocab_size": "10", "hidden_size": "6", "n_head": "2",
    "n_layer": "1", "layer_norm_epsilon": "1e-05", "eos_token_id": "2",
  ]
  /// F32 tensors in the layout's order.
  var tensors: [Tensor] = []
  /// Data behind the header.
  var data: [UInt8] = []
  /// Put behind the header before its length is taken.
  var padding = ""
  var fileName = "model.safetensors"

  init() {
    for (name, shape) in CheckpointLayout.tensors(Self.configuration) {
      let start = data.count
      for index in 0..<shape.reduce(1, *) {
        let value = Float((index * 7 + start) % 23 - 11) / 16
        withUnsafeBytes(of: value.bitPattern.littleEndian) { data += $0 }
      }
      tensors.append(Tensor(name: name, type: "F32", shape: shape, offsets: [start, data.count]))
    }
  }

  mutating func change(_ name: String, _ body: (inout Tensor) -> Void) {
    for index in tensors.indices where tensors[index].name == name { body(&tensors[index]) }
  }

  var header: String {
    let members = tensors.map {
      "\"\($0.name)\":{\"dtype\":\"\($0.type)\",\"shape\":\($0.shape),"
        + "\"data_offsets\":\($0.offsets)}"
    }
    return "{\(members.joined(separator: ","))}\(padding)"
  }

  var weights: [UInt8] {
    let header = Array(header.utf8)
    return withUnsafeBytes(of: UInt64(header.count).littleEndian, Array.init) + header + data
  }

  func writeConfiguration(to folder: URL) throws {
    let members = fields.map { "\"\($0)\": \($1)" }
    try Data("{\(members.joined(separator: ", "))}".utf8)
      .write(to: folder.appending(path: "config.json"))
  }

  func write(to folder: URL) throws {
    try writeConfiguration(to: folder)
    try Data(weights).write(to: folder.appending(path: fileName))
  }
}

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

/// A synthesized checkpoint for all tests, made once and removed at the end of the process.
enum TinyModel {
  static func checkpoint() throws -> Checkpoint { try made.get() }

  private static let made = Result {
    let folder = FileManager.default.temporaryDirectory
      .appending(path: "bloom-tiny-\(UUID().uuidString)")
    try ModelSynthesizer.synthesize(shape: .tiny, dtype: .f16, into: folder)
    let checkpoint = try Checkpoint(directory: folder)
    // What is mapped stays readable after its name is gone.
    try FileManager.default.removeItem(at: folder)
    return checkpoint
  }

  /// `count` ids of the readable part of the vocabulary.
  static func prompt(_ count: Int, from first: Int32 = 4) -> [Int32] {
    (0..<Int32(count)).map { 4 + (first + $0 * 37) % 94 }
  }

  static func shard(_ range: Range<Int>) throws -> Shard {
    try Shard(checkpoint(), blocks: BlockRange(range, of: 24))
  }
}
