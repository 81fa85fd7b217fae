internal import BloomKernels

/// How a cache stores keys and values.
///
/// The choice is the user's, and not the checkpoint's: weights of any type compute keys and values in float32.
/// In 16 bits they take half the memory and half the time to be read, and are rounded once, when they are
/// stored (Numerics.md, Keys and values in 16 bits).
public enum CacheType: String, Hashable, Sendable, CaseIterable {
  /// IEEE 754 binary32: as they were computed.
  case f32
  /// IEEE 754 binary16: 11 significant bits, up to 65504; what is larger is refused.
  case f16

  /// Bytes an element.
  public var size: Int { self == .f32 ? 4 : 2 }

  /// Keys in 16 bits that lie in a panel together.
  static let panel = Int(BLOOM_KEY_PANEL)

  /// Tokens for which a cache has room, so that a number of them fits: whole panels of 16 in 16 bits.
  package func capacity(for tokens: Int) -> Int {
    let (sum, overflow) = tokens.addingReportingOverflow(Self.panel - 1)
    // No memory holds as many.
    return self == .f32 || overflow ? tokens : sum / Self.panel * Self.panel
  }

  var element: bloom_element { self == .f32 ? BLOOM_F32 : BLOOM_F16 }
}
