/// The compression function of BLAKE2b with a number of rounds to choose (0x09; EIP-152, RFC 7693).
enum Blake2F {
  static func gas(_ input: UnsafeRawBufferPointer) -> UInt64? {
    input.count == 213 ? UInt64(rounds(input)) : 0
  }

  static func run(_ input: UnsafeRawBufferPointer) -> [UInt8]? {
    guard input.count == 213, input[212] < 2 else { return nil }
    func lane(_ offset: Int) -> UInt64 {
      UInt64(littleEndian: input.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
    }
    var state = (0..<8).map { lane(4 + $0 * 8) }
    let message = (0..<16).map { lane(68 + $0 * 8) }
    compress(
      &state, message, count: (lane(196), lane(204)), isLast: input[212] == 1,
      rounds: Int(rounds(input)))
    return state.flatMap { lane in withUnsafeBytes(of: lane.littleEndian) { Array($0) } }
  }

  private static func rounds(_ input: UnsafeRawBufferPointer) -> UInt32 {
    UInt32(bigEndian: input.loadUnaligned(as: UInt32.self))
  }

  private static let start: [UInt64] = [
    0x6a09_e667_f3bc_c908, 0xbb67_ae85_84ca_a73b, 0x3c6e_f372_fe94_f82b, 0xa54f_f53a_5f1d_36f1,
    0x510e_527f_ade6_82d1, 0x9b05_688c_2b3e_6c1f, 0x1f83_d9ab_fb41_bd6b, 0x5be0_cd19_137e_2179,
  ]

  private static let orders: [[Int]] = [
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
    [14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3],
    [11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4],
    [7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8],
    [9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13],
    [2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9],
    [12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11],
    [13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10],
    [6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5],
    [10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0],
  ]

  private static func compress(
    _ state: inout [UInt64], _ message: [UInt64], count: (UInt64, UInt64), isLast: Bool,
    rounds: Int
  ) {
    var lanes = state + start
    lanes[12] ^= count.0
    lanes[13] ^= count.1
    if isLast { lanes[14] = ~lanes[14] }
    lanes.withUnsafeMutableBufferPointer { lanes in
      for round in 0..<rounds {
        let order = orders[round % 10]
        for column in 0..<4 {
          mix(
            lanes, column, column + 4, column + 8, column + 12, message[order[2 * column]],
            message[order[2 * column + 1]])
        }
        for diagonal in 0..<4 {
          mix(
            lanes, diagonal, (diagonal + 1) % 4 + 4, (diagonal + 2) % 4 + 8,
            (diagonal + 3) % 4 + 12, message[order[2 * diagonal + 8]],
            message[order[2 * diagonal + 9]])
        }
      }
    }
    for index in 0..<8 { state[index] ^= lanes[index] ^ lanes[index + 8] }
  }

  @inline(__always)
  private static func mix(
    _ lanes: UnsafeMutableBufferPointer<UInt64>, _ a: Int, _ b: Int, _ c: Int, _ d: Int,
    _ x: UInt64, _ y: UInt64
  ) {
    lanes[a] = lanes[a] &+ lanes[b] &+ x
    lanes[d] = turned(lanes[d] ^ lanes[a], 32)
    lanes[c] = lanes[c] &+ lanes[d]
    lanes[b] = turned(lanes[b] ^ lanes[c], 24)
    lanes[a] = lanes[a] &+ lanes[b] &+ y
    lanes[d] = turned(lanes[d] ^ lanes[a], 16)
    lanes[c] = lanes[c] &+ lanes[d]
    lanes[b] = turned(lanes[b] ^ lanes[c], 63)
  }

  @inline(__always)
  private static func turned(_ lane: UInt64, _ count: UInt64) -> UInt64 {
    lane &>> count | lane &<< (64 &- count)
  }
}
