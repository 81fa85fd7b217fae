import Bloom

/// How far a model's logits lie from those of the same model whose weights are stored otherwise.
struct AccuracyBench: Sendable {
  private static let positions = 40

  private let model: String
  private let type: ElementType
  private let logits: Logits

  init(_ checkpoint: Checkpoint) async throws {
    model = checkpoint.name
    type = checkpoint.elementType
    let vocabulary = checkpoint.configuration.vocabularySize
    let tokens = (0..<Self.positions).map { Int32(($0 * 37 + 5) % vocabulary) }
    let shard = try Shard(
      checkpoint, layers: LayerRange(all: checkpoint.configuration.layerCount))
    logits = try await LanguageModelHead(checkpoint).logits(
      shard.forward(Embedding(checkpoint)(tokens)))
  }

  func rows(against reference: AccuracyBench) -> [BenchRow] {
    let (found, expected) = (logits, reference.logits)
    var (worst, largest, error, size) = (0.0, 0.0, 0.0, 0.0)
    for (found, expected) in zip(found.values, expected.values) {
      let difference = Double(found) - Double(expected)
      worst = max(worst, abs(difference))
      largest = max(largest, abs(Double(expected)))
      error += difference * difference
      size += Double(expected) * Double(expected)
    }
    let same = (0..<Self.positions).count { position in
      Self.likeliest(found.row(position)) == Self.likeliest(expected.row(position))
    }
    let other = reference.type.rawValue
    return [
      row("any logit from \(other)'s, at most", "% of the largest", worst / largest * 100),
      row("all from \(other)'s, RMS", "%", (error / size).squareRoot() * 100),
      row("likeliest token is \(other)'s, of \(Self.positions)", "", Double(same)),
    ]
  }

  /// How many scores come before the greatest.
  private static func likeliest(_ scores: ArraySlice<Float>) -> Int? {
    scores.indices.max { scores[$0] < scores[$1] }.map { $0 - scores.startIndex }
  }

  private func row(_ name: String, _ unit: String, _ value: Double) -> BenchRow {
    BenchRow("inference", "\(model) \(type.rawValue): \(name)", unit, [value])
  }
}
