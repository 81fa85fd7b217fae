import AsyncPrimitives

/// Decides whether a fault with a probability happens.
///
/// The draw is a function of its arguments, not the next one of a sequence: a block that is tried
/// first and made afterwards meets the same faults, and so does a run that is repeated.
enum FaultDraw {
  /// - Parameters:
  ///   - seed: the test's.
  ///   - rule: tells rules apart.
  ///   - occasion: tells apart the times that one rule could apply.
  static func happens(
    _ probability: Double, seed: UInt64, rule: UInt64, occasion: UInt64
  ) -> Bool {
    if probability >= 1 { return true }
    var draw = SeededGenerator(seed: mix(mix(seed) ^ rule) ^ occasion)
    return draw.unit() < probability
  }

  private static func mix(_ value: UInt64) -> UInt64 {
    var generator = SeededGenerator(seed: value)
    return generator.next()
  }
}
