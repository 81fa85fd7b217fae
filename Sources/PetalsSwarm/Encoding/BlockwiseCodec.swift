import Foundation

/// The codec BLOCKWISE_8BIT: runs of 4096 numbers, each with its largest magnitude, and for each
/// number the nearest of 256 values between -1 and 1.
///
/// Bytes: the number of runs and of values (int64 both), the magnitudes and the values (float32), one
/// place for each number. Sources: hivemind's `BlockwiseQuantization`; the table is the dynamic tree
/// of Dettmers et al., "8-bit Optimizers via Block-wise Quantization" (2021).
enum BlockwiseCodec {
  static let run = 4096

  /// The values that are written, in ascending order.
  static let table: [Float] = {
    var values: [Float] = [0, 1]
    for exponent in 0..<7 {
      let bounds = (0...(1 << exponent)).map { 0.1 + 0.9 * Double($0) / Double(1 << exponent) }
      for (low, high) in zip(bounds, bounds.dropFirst()) {
        let mean = Float((low + high) / 2 * pow(10, Double(exponent - 6)))
        values += [mean, -mean]
      }
    }
    return values.sorted()
  }()

  static func encode(_ values: [Float]) -> Data {
    let runs = (values.count + run - 1) / run
    var magnitudes: [Float] = []
    var places: [UInt8] = []
    magnitudes.reserveCapacity(runs)
    places.reserveCapacity(values.count)
    for start in stride(from: 0, to: values.count, by: run) {
      let part = values[start..<min(values.count, start + run)]
      let largest = part.reduce(0) { max($0, $1.magnitude) }
      magnitudes.append(largest)
      for value in part { places.append(place(largest > 0 ? value / largest : 0)) }
    }
    var data = Data()
    for count in [Int64(runs), Int64(table.count)] {
      withUnsafeBytes(of: count) { data.append(contentsOf: $0) }
    }
    magnitudes.withUnsafeBytes { data.append(contentsOf: $0) }
    table.withUnsafeBytes { data.append(contentsOf: $0) }
    data.append(contentsOf: places)
    return data
  }

  /// The place of the value nearest to `value`, which is from -1 to 1.
  private static func place(_ value: Float) -> UInt8 {
    var (low, high) = (0, table.count - 1)
    while high - low > 1 {
      let middle = (low + high) / 2
      if table[middle] <= value { low = middle } else { high = middle }
    }
    return UInt8(value - table[low] <= table[high] - value ? low : high)
  }

  static func decode(_ data: Data, count: Int) throws(SwarmMessageError) -> [Float] {
    let header = data.values(of: Int64.self).prefix(2)
    let runs = (count + run - 1) / run
    guard header.count == 2, header[0] == runs, (1...256).contains(header[1]),
      data.count == 16 + 4 * (runs + Int(header[1])) + count
    else {
      throw SwarmMessageError(
        "a tensor",
        "\(data.count) bytes of \(TensorCodec.blockwise8Bit) do not make \(count) numbers")
    }
    let values = Int(header[1])
    let factors = Data(data.dropFirst(16).prefix(4 * runs)).values(of: Float.self)
    let table = Data(data.dropFirst(16 + 4 * runs).prefix(4 * values)).values(of: Float.self)
    let places = data.suffix(count)
    var numbers: [Float] = []
    numbers.reserveCapacity(count)
    for (index, place) in places.enumerated() {
      guard place < values else {
        throw SwarmMessageError("a tensor", "the place \(place) is not among \(values) values")
      }
      numbers.append(table[Int(place)] * factors[index / run])
    }
    return numbers
  }
}
