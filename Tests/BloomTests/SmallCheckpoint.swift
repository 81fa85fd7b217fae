import Bloom
import Foundation

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
        vocabularySize: 10, hiddenSize: 6, headCount: 2, layerCount: 1, eosTokenID: 2)
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
