import Foundation

/// The slopes by which attention scores grow with a key's position.
///
/// Source: Press, Smith, Lewis, "Train Short, Test Long" (2022), in the form BLOOM uses
/// (Numerics.md, The model).
public enum ALiBi {
  /// One slope for each head.
  ///
  /// A power of two n gives 2^(-8(i+1)/n); any other n takes the slopes of the power of two p below
  /// it, then those of 2p at its even positions (1st, 3rd, …) until there are n.
  public static func slopes(headCount: Int) -> [Float] {
    precondition(headCount > 0, "at least one head")
    let power = 1 << (Int.bitWidth - 1 - headCount.leadingZeroBitCount)
    let regular = (1...power).map { slope($0, of: power) }
    let extra = (0..<headCount - power).map { slope(2 * $0 + 1, of: 2 * power) }
    return regular + extra
  }

  private static func slope(_ position: Int, of count: Int) -> Float {
    Float(pow(2, -8 * Double(position) / Double(count)))
  }
}
