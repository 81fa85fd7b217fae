import BloomKernels

/// A layer norm with its scale and shift.
struct LayerNorm: Sendable {
  private let weight: FloatBuffer
  private let bias: FloatBuffer
  private let epsilon: Float

  /// The tensors `name.weight` and `name.bias`, each [hidden].
  init(_ checkpoint: Checkpoint, _ name: String) {
    weight = checkpoint.vector("\(name).weight")
    bias = checkpoint.vector("\(name).bias")
    epsilon = checkpoint.configuration.layerNormEpsilon
  }

  /// y [tokens, hidden]; may be x.
  func apply(_ x: UnsafePointer<Float>, tokens: Int, into y: UnsafeMutablePointer<Float>) {
    bloom_layer_norm(x, tokens, weight.count, weight.pointer, bias.pointer, epsilon, y)
  }

  /// Adds to dx [tokens, hidden] the gradient at x for the result's gradient dy.
  func addGradient(
    _ x: UnsafePointer<Float>, _ dy: UnsafePointer<Float>, tokens: Int,
    to dx: UnsafeMutablePointer<Float>
  ) {
    bloom_layer_norm_backward(x, dy, tokens, weight.count, weight.pointer, epsilon, dx)
  }
}
