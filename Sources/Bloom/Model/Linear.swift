/// A matrix and its bias.
struct Linear: Sendable {
  let weight: WeightMatrix
  private let bias: FloatBuffer

  init(_ checkpoint: Checkpoint, weight: String, bias: String) {
    self.weight = checkpoint.matrix(weight)
    self.bias = checkpoint.vector(bias)
  }

  /// y [tokens, rows] = x [tokens, columns] · weightᵀ + bias.
  func apply(
    _ x: UnsafePointer<Float>, tokens: Int, into y: UnsafeMutablePointer<Float>,
    then finish: WeightMatrix.Finish = .nothing
  ) {
    weight.multiply(x, tokens: tokens, bias: bias.pointer, into: y, then: finish)
  }

  /// dx [tokens, columns] for the result's gradient dy [tokens, rows].
  func gradient(
    _ dy: UnsafePointer<Float>, tokens: Int, into dx: UnsafeMutablePointer<Float>
  ) {
    weight.multiplyTransposed(dy, tokens: tokens, into: dx)
  }
}
