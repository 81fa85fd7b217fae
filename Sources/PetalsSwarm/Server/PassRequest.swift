import Bloom
import Foundation
import PetalsNode

/// What a request's metadata says, a map in msgpack.
struct RequestMetadata: Sendable {
  let fields: MessagePackValue

  /// Reads metadata; none at all says nothing.
  ///
  /// - Throws: ``SwarmMessageError``.
  init(_ bytes: Data) throws(SwarmMessageError) {
    do {
      fields = bytes.isEmpty ? .map([]) : try MessagePackValue(decoding: bytes)
    } catch {
      throw SwarmMessageError("a request's metadata", "\(error)")
    }
    guard case .map = fields else {
      throw SwarmMessageError("a request's metadata", "it is no map")
    }
    if let adapter = fields["active_adapter"], adapter != .null, adapter != .string("") {
      throw SwarmMessageError(
        "a request's metadata", "this node has no adapters: leave active_adapter out")
    }
  }

  /// A whole number from 0 on; nil where there is none.
  func count(_ name: String) throws(SwarmMessageError) -> Int? {
    guard let value = fields[name], value != .null else { return nil }
    guard let count = value.integer, count >= 0 else {
      throw SwarmMessageError("a request's \(name)", "a whole number from 0 on is expected")
    }
    return count
  }

  /// The codecs that the caller asks for, one for each output; nil leaves them to the node.
  func outputCodecs(_ outputs: Int) throws(SwarmMessageError) -> [TensorCodec] {
    guard let value = fields["output_compression"], value != .null else {
      return Array(repeating: .none, count: outputs)
    }
    let codecs = (value.elements ?? []).compactMap { $0.integer.map { TensorCodec(rawValue: $0) } }
    guard codecs.count == outputs else {
      throw SwarmMessageError("a request's output_compression", "\(outputs) numbers are expected")
    }
    for codec in codecs { try codec.requireSupported() }
    return codecs
  }

  /// The arguments that a request's tensors stand for: in the order of `args_structure`, where each
  /// `__T3` is the fourth tensor, or as they come where there is none.
  func arguments(
    _ tensors: [SwarmTensor], structure: MessagePackValue? = nil
  ) throws(SwarmMessageError) -> [SwarmArray?] {
    var arrays: [SwarmArray?] = []
    for tensor in tensors { arrays.append(try tensor.array()) }
    guard let structure = fields["args_structure"] ?? structure, structure != .null else {
      return arrays
    }
    guard let parts = structure.elements, parts.count == 2, let positions = parts[0].elements else {
      throw SwarmMessageError("a request's args_structure", "positions and names are expected")
    }
    var arguments: [SwarmArray?] = []
    for position in positions {
      guard case .bytes(let mark) = position, mark.starts(with: Array("__T".utf8)) else {
        arguments.append(nil)
        continue
      }
      let text = String(decoding: mark.dropFirst(3), as: UTF8.self)
      guard let index = Int(text), arrays.indices.contains(index) else {
        throw SwarmMessageError(
          "a request's args_structure", "there is no tensor \(text.prefix(16))")
      }
      arguments.append(arrays[index])
    }
    return arguments
  }
}

/// Sequences of equal length: `[sequences, tokens, hidden]`.
struct SequenceBatch: Sendable {
  /// Most sequences of one request.
  static let greatestCount = 1024

  /// `[sequences, tokens, hidden]`.
  let shape: [Int]
  /// One for each sequence; none where there are no tokens.
  let rows: [HiddenStates]

  /// Splits an argument.
  ///
  /// - Throws: ``SwarmMessageError`` for another shape, and for numbers that are not finite.
  init(_ array: SwarmArray?, _ what: String) throws(SwarmMessageError) {
    guard let array, array.shape.count == 3 else {
      throw SwarmMessageError(
        what, "the shape is to be [sequences, tokens, hidden], not \(array?.shape ?? [])")
    }
    shape = array.shape
    guard (1...Self.greatestCount).contains(shape[0]) else {
      throw SwarmMessageError(
        what, "\(shape[0]) sequences at once, 1 to \(Self.greatestCount) are taken")
    }
    let values = try array.real(what)
    guard values.allSatisfy(\.isFinite) else {
      throw SwarmMessageError(what, "a number is not finite")
    }
    guard !values.isEmpty else {
      rows = []
      return
    }
    let (tokens, hidden) = (shape[1], shape[2])
    do {
      rows = try stride(from: 0, to: values.count, by: tokens * hidden).map { start in
        try HiddenStates(
          tokens: tokens, hidden: hidden, values: Array(values[start..<start + tokens * hidden]))
      }
    } catch {
      throw SwarmMessageError(what, "\(error)")
    }
  }

  /// Joins sequences of equal shape.
  static func join(_ rows: [HiddenStates]) -> SwarmArray {
    SwarmArray(
      [rows.count, rows.first?.tokens ?? 0, rows.first?.hidden ?? 0], rows.flatMap(\.values))
  }

  /// The prompts of each sequence, from `[blocks, sequences or 1, prompt tokens, hidden]`.
  ///
  /// - Returns: None at all for a dummy.
  func prompts(_ array: SwarmArray?, blocks: Int) throws(SwarmMessageError) -> [DeepPrompts] {
    guard let array, !array.isDummy else { return [] }
    let (what, sizes) = ("the prompts", array.shape)
    guard sizes.count == 4, sizes[0] == blocks, sizes[1] == 1 || sizes[1] == shape[0],
      sizes[2] <= shape[1], sizes[3] == shape[2]
    else {
      throw SwarmMessageError(
        what,
        "the shape is to be [\(blocks), 1 or \(shape[0]), up to \(shape[1]), \(shape[2])], not \(sizes)"
      )
    }
    let values = try array.real(what)
    guard values.allSatisfy(\.isFinite) else {
      throw SwarmMessageError(what, "a number is not finite")
    }
    let size = sizes[2] * sizes[3]
    do {
      return try (0..<shape[0]).map { sequence in
        let own = sizes[1] == 1 ? 0 : sequence
        return try DeepPrompts(
          blocks: (0..<blocks).map { block in
            let start = (block * sizes[1] + own) * size
            return try HiddenStates(
              tokens: sizes[2], hidden: sizes[3], values: Array(values[start..<start + size]))
          })
      }
    } catch {
      throw SwarmMessageError(what, "\(error)")
    }
  }
}
