import Bloom
import Foundation
import Synchronization

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
    try Shard(checkpoint(), layers: LayerRange(range, of: 24))
  }
}
