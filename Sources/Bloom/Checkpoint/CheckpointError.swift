/// An error of a checkpoint: each case names the file, the tensor or field, the expected and the
/// actual value.
public enum CheckpointError: Error, Hashable, Sendable, CustomStringConvertible {
  case missingFolder(path: String)
  case missingFile(path: String)
  case missingWeights(folder: String)
  case unreadableFile(path: String, reason: String)
  case unwritableFile(path: String, reason: String)
  /// A JSON file that does not parse.
  case malformedJSON(path: String, reason: String)
  /// A field of `config.json` or `generation_config.json` that is missing, of the wrong type, out of
  /// range, or not supported.
  case invalidConfiguration(path: String, field: String, expected: String, found: String)
  /// A safetensors file too short for the header it announces.
  case truncatedHeader(path: String, expected: Int, found: Int)
  case malformedHeader(path: String, tensor: String?, expected: String, found: String)
  /// A tensor whose bytes are (partly) outside the file; `needed` are the bytes of data that the
  /// tensors of the header fill, nil when they leave gaps or overlap.
  case outsideFile(
    path: String, tensor: String, bytes: Range<Int>, available: Int, needed: Int?)
  /// A tensor whose byte count is not its shape times its element's size.
  case wrongLength(path: String, tensor: String, type: String, expected: Int, found: Int)
  case overlappingTensors(path: String, tensor: String, other: String)
  /// Bytes that belong to no tensor.
  case unclaimedBytes(path: String, bytes: Range<Int>)
  /// An index and its files that do not agree.
  case contradictoryIndex(path: String, tensor: String, expected: String, found: String)
  /// A tensor that is not there; its shape, when the model says which it would have.
  case missingTensor(path: String, tensor: String, shape: [Int]?)
  case wrongType(path: String, tensor: String, expected: String, found: String)
  case wrongShape(path: String, tensor: String, expected: [Int], found: [Int])
  /// A weight that is not a finite number.
  case notFinite(path: String, tensor: String, index: Int)

  /// One line that says what is wrong.
  public var description: String {
    switch self {
    case .missingFolder(let path):
      "\(path): no such folder; name the folder of a checkpoint"
    case .missingFile(let path):
      "\(path): no such file"
    case .missingWeights(let folder):
      "\(folder): holds neither model.safetensors nor model.safetensors.index.json"
    case .unreadableFile(let path, let reason):
      "\(path): cannot be read: \(reason)"
    case .unwritableFile(let path, let reason):
      "\(path): cannot be written: \(reason)"
    case .malformedJSON(let path, let reason):
      "\(path): not valid JSON: \(reason)"
    case .invalidConfiguration(let path, let field, let expected, let found):
      "\(path): \(field): expected \(expected), found \(found)"
    case .truncatedHeader(let path, let expected, let found):
      "\(path): truncated: the header needs \(expected) bytes, the file has \(found)"
    case .malformedHeader(let path, let tensor, let expected, let found):
      "\(path): header\(tensor.map { " of tensor \($0)" } ?? ""): expected \(expected), "
        + "found \(found)"
    case .outsideFile(let path, let tensor, let bytes, let available, let needed):
      "\(path): tensor \(tensor): bytes \(bytes.lowerBound)..<\(bytes.upperBound) lie outside the "
        + "file's \(available) bytes of data; \(Self.cause(needed: needed))"
    case .wrongLength(let path, let tensor, let type, let expected, let found):
      "\(path): tensor \(tensor): its shape needs \(expected) bytes as \(type), "
        + "its offsets give \(found)"
    case .overlappingTensors(let path, let tensor, let other):
      "\(path): tensor \(tensor): overlaps \(other)"
    case .unclaimedBytes(let path, let bytes):
      "\(path): bytes \(bytes.lowerBound)..<\(bytes.upperBound) of the data belong to no tensor"
    case .contradictoryIndex(let path, let tensor, let expected, let found):
      "\(path): tensor \(tensor): expected \(expected), found \(found)"
    case .missingTensor(let path, let tensor, let shape):
      "\(path): tensor \(tensor): missing" + (shape.map { "; expected shape \($0)" } ?? "")
    case .wrongType(let path, let tensor, let expected, let found):
      "\(path): tensor \(tensor): expected type \(expected), found \(found)"
    case .wrongShape(let path, let tensor, let expected, let found):
      "\(path): tensor \(tensor): expected shape \(expected), found \(found)"
    case .notFinite(let path, let tensor, let index):
      "\(path): tensor \(tensor): element \(index) is not a finite number"
    }
  }

  /// Why a tensor lies outside its file.
  private static func cause(needed: Int?) -> String {
    guard let needed else { return "its header is wrong: its tensors leave gaps or overlap" }
    return "the file is truncated: its tensors need \(needed)"
  }
}
