import Foundation
import TestVectors

/// Copies of the tiny checkpoint that something is wrong with.
enum BrokenModel: String, CaseIterable, Sendable {
  case truncated
  case wrongType
  case outsideTheFile
  case contradictingConfiguration

  /// What a refusal must name.
  var words: [String] {
    switch self {
    case .truncated: ["model.safetensors", "outside the file", "the file is truncated"]
    case .wrongType: ["model.safetensors", "I16"]
    case .outsideTheFile: ["model.safetensors", "outside the file", "its header is wrong"]
    case .contradictingConfiguration: ["word_embeddings.weight", "[511, 64]", "[512, 64]"]
    }
  }

  /// Writes the broken copy into a folder.
  /// - Returns: the folder's path.
  func write(to folder: URL) throws -> String {
    let source = TestVectors.bloom(.tinyF16)
    var weights = try Data(contentsOf: source.appending(path: "model.safetensors"))
    var configuration = try String(
      contentsOf: source.appending(path: "config.json"), encoding: .utf8)
    switch self {
    case .truncated:
      weights.removeLast(1000)
    case .wrongType:
      weights = try Self.replacingInHeader("\"F16\"", with: "\"I16\"", of: weights)
    case .outsideTheFile:
      weights = try Self.movingLastTensorOut(of: weights)
    case .contradictingConfiguration:
      configuration = configuration.replacing("\"vocab_size\": 512", with: "\"vocab_size\": 511")
    }
    try folder.write("model.safetensors", weights)
    try folder.write("config.json", configuration.utf8)
    return folder.path
  }

  private static func header(of file: Data) throws -> (text: String, end: Int) {
    let length = file.prefix(8).reversed().reduce(0) { $0 << 8 | Int($1) }
    return (String(decoding: file[8..<8 + length], as: UTF8.self), 8 + length)
  }

  private static func file(header: String, data: Data) -> Data {
    let bytes = Array(header.utf8)
    let length = (0..<8).map { UInt8(truncatingIfNeeded: bytes.count >> (8 * $0)) }
    return Data(length) + Data(bytes) + data
  }

  private static func replacingInHeader(
    _ old: String, with new: String, of file: Data
  ) throws -> Data {
    let (text, end) = try header(of: file)
    return Self.file(header: text.replacing(old, with: new), data: file[end...])
  }

  /// The last tensor's data, as long as before, lies 64 bytes further on, where no file is.
  private static func movingLastTensorOut(of file: Data) throws -> Data {
    let (text, end) = try header(of: file)
    let size = file.count - end
    let moved = text.replacing(/\[(\d+), ?(\d+)\]/) { offsets in
      guard Int(offsets.output.2) == size, let start = Int(offsets.output.1) else {
        return String(offsets.output.0)
      }
      return "[\(start + 64),\(size + 64)]"
    }
    return Self.file(header: moved, data: file[end...])
  }
}
