internal import BloomKernels

/// How 8-bit weights lie in a checkpoint.
///
/// A matrix `name` [rows, columns] of type I8 comes with `name_scale` [rows, groups] of type F32, one
/// scale for each 64 neighbours in a row: the weight is integer times scale. Vectors stay floats.
enum QuantizedLayout {
  /// Neighbours in a row that share a scale.
  static let group = Int(BLOOM_Q8_GROUP)

  /// Scales in a row of so many weights.
  static func groups(_ columns: Int) -> Int { (columns + group - 1) / group }

  /// The tensor of a matrix's scales.
  static func scaleName(_ name: String) -> String { name + "_scale" }

  /// The shape of that tensor.
  static func scaleShape(_ shape: [Int]) -> [Int] { [shape[0], groups(shape[1])] }
}
