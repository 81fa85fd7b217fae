import Bloom
import Foundation

/// Named F32 matrices on their way to a safetensors file.
struct TensorFile {
  private var tensors: [(name: String, shape: [Int], values: [Float])] = []

  var names: [String] { tensors.map(\.name) }

  mutating func add(_ name: String, _ states: HiddenStates) {
    tensors.append((name, [states.tokens, states.hidden], states.values))
  }

  mutating func add(_ name: String, _ logits: Logits) {
    tensors.append((name, [logits.tokens, logits.vocabularySize], logits.values))
  }

  /// The matrix of this name as hidden states; nil when there is none.
  func states(_ name: String) -> HiddenStates? {
    guard let tensor = tensors.first(where: { $0.name == name }) else { return nil }
    do {
      return try HiddenStates(
        tokens: tensor.shape[0], hidden: tensor.shape[1], values: tensor.values)
    } catch {
      preconditionFailure("what came from hidden states goes back: \(error)")
    }
  }

  /// Requires numbers, as nodes require them of each other: what is none spoils all that follows.
  /// - Throws: `CommandFailure` (failed) that names the tensor and the token.
  func requireFinite() throws {
    for tensor in tensors {
      guard let index = tensor.values.firstIndex(where: { !$0.isFinite }) else { continue }
      throw CommandFailure.failed(
        "\(tensor.name) of token \(index / tensor.shape[1]) are not all finite: element "
          + "\(index % tensor.shape[1]) is \(tensor.values[index]); the model's weights or the input "
          + "are at fault")
    }
  }

  /// - Throws: `CommandFailure` (wrong input) when the file cannot be written.
  func write(to path: String) throws {
    try CommandFailure.checkingInput {
      try SafetensorsWriter.write(tensors, to: URL(filePath: path))
    }
  }
}
