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
    let mixed = mix(mix(mix(seed) ^ rule) ^ occasion)
    return Double(mixed >> 11) / Double(1 << 53) < probability
  }

  /// The output function of SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number
  /// generators, 2014).
  private static func mix(_ value: UInt64) -> UInt64 {
    var mixed = value &+ 0x9e37_79b9_7f4a_7c15
    mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
    return mixed ^ (mixed >> 31)
  }
}
