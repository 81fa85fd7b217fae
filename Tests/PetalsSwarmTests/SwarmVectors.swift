import Foundation
import PetalsSwarm
import TestVectors

/// Bytes that hivemind and Petals made.
struct SwarmVectors: Decodable, Sendable {
  struct Value: Decodable, Sendable, CustomStringConvertible {
    let name: String
    let bytes: String
    var description: String { name }
  }
  struct Key: Decodable, Sendable { let key, id: String }
  struct Tensor: Decodable, Sendable {
    let message: String
    let values: [Double]
  }
  struct Blockwise: Decodable, Sendable {
    let message: String
    let input, values, table: [Double]
  }
  struct Tensors: Decodable, Sendable {
    let values: [Double]
    let none, float16, bfloat16, half, int64, empty: Tensor
    let blockwise: Blockwise
    let pieces: [String]
  }
  struct Peer: Decodable, Sendable { let text, bytes: String }

  let peer: Peer
  let values: [Value]
  let descriptor, dictionary, server: [String: String]
  let keys: [Key]
  let tensors: Tensors
  let messages: [String: String]

  static func load() throws -> SwarmVectors {
    try JSONDecoder().decode(SwarmVectors.self, from: Data(contentsOf: TestVectors.swarm))
  }
}

extension [UInt8] {
  /// The bytes that pairs of hexadecimal digits make.
  init(hex: String) {
    let digits = Array<UInt8>(hex.utf8)
    self = stride(from: 0, to: digits.count - 1, by: 2).map { index in
      UInt8(String(decoding: digits[index...index + 1], as: UTF8.self), radix: 16) ?? 0
    }
  }

  var hex: String { map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined() }
}
