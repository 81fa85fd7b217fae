import Foundation

extension SwarmTensor {
  /// The pieces in which a tensor goes over a stream: the first has its size, the rest only bytes.
  package func pieces(_ limit: Int) -> [SwarmTensor] {
    let count = max(1, (buffer.count + limit - 1) / limit)
    return (0..<count).map { index in
      var piece = index == 0 ? self : SwarmTensor()
      piece.buffer = Data(buffer.dropFirst(index * limit).prefix(limit))
      if index == 0 { piece.chunks = Int32(clamping: count) }
      return piece
    }
  }
}

/// Puts tensors together whose pieces came one by one.
package struct TensorPieces: Sendable {
  private let limit: Int
  private var tensors: [SwarmTensor] = []
  private var byteCount = 0
  /// Pieces of the last tensor that are to come.
  private var missing = 0

  /// - Parameter limit: Most bytes of all tensors.
  package init(limit: Int) { self.limit = limit }

  /// Whether the last tensor is whole.
  package var isWhole: Bool { missing == 0 }

  /// Takes a piece: one with an element type begins another tensor.
  ///
  /// - Throws: ``SwarmMessageError`` for too many bytes, and for pieces out of order.
  package mutating func add(_ piece: SwarmTensor) throws(SwarmMessageError) {
    byteCount += piece.buffer.count
    guard byteCount <= limit else {
      throw SwarmMessageError(
        "a stream's tensors", "more than \(limit) bytes, the most that are read")
    }
    if !piece.dtype.isEmpty {
      guard isWhole else {
        throw SwarmMessageError("a tensor", "\(missing) of its pieces are missing")
      }
      missing = max(0, Int(piece.chunks) - 1)
      tensors.append(piece)
    } else if tensors.isEmpty || missing == 0 {
      throw SwarmMessageError("a tensor", "a piece comes before its first one")
    } else {
      missing -= 1
      tensors[tensors.count - 1].buffer.append(piece.buffer)
    }
  }

  /// The tensors.
  ///
  /// - Throws: ``SwarmMessageError`` when pieces are missing.
  package func whole() throws(SwarmMessageError) -> [SwarmTensor] {
    guard isWhole else {
      throw SwarmMessageError("a tensor", "\(missing) of its pieces are missing")
    }
    return tensors
  }
}
