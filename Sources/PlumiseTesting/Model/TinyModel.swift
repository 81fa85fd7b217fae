import Bloom
import Foundation
public import PetalsNode

/// The model that tests run on when they bring none: 24 blocks, hidden 64, 4 heads, vocabulary 512.
///
/// It has the depth of bloom-560m, so that every split of it is a split of the real one, and is
/// small enough that a whole network runs on it in milliseconds. It is made up once a process, and
/// its folder is gone as soon as the weights are mapped.
public enum TinyModel {
  /// The model's ends: the checkpoint, its tokenizer, the embedding and the LM head.
  ///
  /// - Throws: `CheckpointError` when the folder for temporary files cannot be written.
  public static func ends() throws -> ModelEnds { try made.get() }

  private static let made = Result { try make() }

  private static func make() throws -> ModelEnds {
    let folder = FileManager.default.temporaryDirectory
      .appending(path: "plumise-tiny-model-\(UUID().uuidString)")
    defer { remove(folder) }
    try ModelSynthesizer.synthesize(shape: .tiny, dtype: .f16, into: folder)
    let tokenizer = try Tokenizer(directory: folder)
    return ModelEnds(try Checkpoint(directory: folder), tokenizer: tokenizer)
  }

  private static func remove(_ folder: URL) {
    do {
      try FileManager.default.removeItem(at: folder)
    } catch {
      // The system cleans up after us: these are temporary files.
    }
  }
}
