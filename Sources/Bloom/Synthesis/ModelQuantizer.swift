public import Foundation
import SystemErrors

/// Turns a checkpoint's matrices into 8-bit integers.
public enum ModelQuantizer {
  /// Writes a copy of a checkpoint with 8-bit weights into `directory`, which must be missing or
  /// empty, and appears only when it is whole.
  ///
  /// Throws ``CheckpointError`` when something cannot be read or written, and `CancellationError`
  /// between two pieces.
  public static func quantize(
    _ checkpoint: Checkpoint, into directory: URL,
    progress: (ModelSynthesizer.Progress) -> Void = { _ in }
  ) throws {
    try DraftFolder.make(directory) { draft in
      try copy("config.json", from: checkpoint.directory, to: draft)
      for name in ["generation_config.json", "tokenizer.json"] {
        let file = checkpoint.directory.appending(path: name)
        guard FileManager.default.fileExists(atPath: file.path(percentEncoded: false)) else {
          continue
        }
        try copy(name, from: checkpoint.directory, to: draft)
      }
      let writer = QuantizedWriter(configuration: checkpoint.configuration) {
        tensor, first, count, target in
        let stored = checkpoint.tensor(tensor.name)
        if let scales = checkpoint.scales(of: tensor.name) {
          let matrix = WeightMatrix(stored, scales: scales)
          let rows = first / matrix.columns..<(first + count) / matrix.columns
          matrix.copyTile(rows, 0..<matrix.columns, into: target)
        } else {
          stored.copy(first..<first + count, into: target)
        }
      }
      try writer.write(to: draft.appending(path: "model.safetensors"), progress: progress)
    }
  }

  private static func copy(_ name: String, from source: URL, to draft: URL) throws {
    let file = source.appending(path: name)
    do {
      try FileManager.default.copyItem(at: file, to: draft.appending(path: name))
    } catch {
      throw CheckpointError.unreadableFile(
        path: file.path(percentEncoded: false), reason: error.systemReason)
    }
  }
}
