import PlumiseWire

/// How a model's layers are shared among the nodes of its pipeline, by weight (Wire.md, Node
/// registry and pipeline).
enum LayerShares {
  /// What a node without any memory weighs, as in the deployed oracle.
  private static let leastWeight = 1.0

  /// The weight of a node: its memory, or its accelerator's where it has one.
  static func weight(ram: Double, device: String, vram: Double) -> Double {
    let megabytes = device == "cpu" || vram == 0 ? ram : vram
    return megabytes == 0 || megabytes.isNaN ? leastWeight : megabytes
  }

  /// Ranges that follow one another, one for each weight.
  ///
  /// In the profile `fixed` each has a layer at least and there is neither gap nor overlap, as long
  /// as there are no more nodes than layers; a node beyond them gets nothing. `faithful` rounds
  /// every share but the last by itself, which gives empty and negative ranges.
  /// - Parameters:
  ///   - layers: the layers of the whole model.
  ///   - weights: above zero, one for each node in the pipeline's order.
  static func assignments(
    of layers: Int, by weights: [Double], profile: OracleProfile
  ) -> [LayerAssignment] {
    let counts =
      switch profile {
      case .fixed: evenCounts(of: layers, by: weights)
      case .faithful: roundedCounts(of: layers, by: weights)
      }
    var start = 0
    return counts.map { count in
      defer { start += count }
      return LayerAssignment(layerStart: start, layerEnd: start + count, totalLayers: layers)
    }
  }

  /// One layer for each, and each further one where most is lacking of the exact share.
  private static func evenCounts(of layers: Int, by weights: [Double]) -> [Int] {
    // Shares of the greatest weight, so that no sum goes beyond what a double holds.
    let greatest = weights.max() ?? leastWeight
    let shares = weights.map { $0.isFinite ? $0 / greatest : 1 }
    let total = shares.reduce(0, +)
    var counts = weights.indices.map { $0 < layers ? 1 : 0 }
    for _ in 0..<max(0, layers - weights.count) {
      let lacking = shares.indices.map { index in
        Double(layers) * shares[index] / total - Double(counts[index])
      }
      // The first of equals, so that the earlier node has the larger part.
      guard let most = lacking.max(), let index = lacking.firstIndex(of: most) else { break }
      counts[index] += 1
    }
    return counts
  }

  private static func roundedCounts(of layers: Int, by weights: [Double]) -> [Int] {
    let total = weights.reduce(0, +)
    var given = 0
    return weights.enumerated().map { index, weight in
      // JavaScript's Math.round: halves go up.
      let share = (Double(layers) * (weight / total) + 0.5).rounded(.down)
      let isLast = index == weights.count - 1 && index > 0
      let count = weights.count == 1 || isLast ? layers - given : Int(Int64(saturating: share))
      given += count
      return count
    }
  }
}
