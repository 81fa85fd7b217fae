import Bloom

/// A run of blocks as the command line spells it, before the model is known: `0-11`, or `7`.
package struct BlockRange: Hashable, Sendable {
  fileprivate let text: String

  /// The run as a part of a model.
  /// - Throws: `CommandFailure` (wrong input) when the model has fewer blocks.
  func layers(of layerCount: Int) throws -> LayerRange {
    do {
      return try LayerRange(parsing: text, of: layerCount)
    } catch {
      throw CommandFailure.wrongInput("--blocks: \(error)")
    }
  }
}

/// Runs of blocks that some model could have.
package struct BlockRanges: OptionLimits {
  /// BLOOM's largest model has 70.
  private static let mostBlocks = 10_000

  package init() {}

  package var limits: String { "" }
  package var expectation: String {
    "blocks are FIRST-LAST, as in 0-11, two whole numbers from 0 to \(Self.mostBlocks - 1) in order"
  }

  package func value(_ text: String) -> BlockRange? {
    do {
      _ = try LayerRange(parsing: text, of: Self.mostBlocks)
      return BlockRange(text: text)
    } catch {
      // What is expected says it all.
      return nil
    }
  }
}

extension OptionLimits where Self == BlockRanges {
  static var blocks: Self { BlockRanges() }
}
