import BloomKernels
public import Foundation
import SystemErrors

/// Turns a checkpoint's matrices into integers of 8 or 4 bits.
public enum ModelQuantizer {
  /// Writes a copy of a checkpoint with quantized weights into `directory`, which must be missing or
  /// empty, and appears only when it is whole.
  ///
  /// Weights that are quantized already are rounded again. Throws ``CheckpointError`` when something cannot be read or written, and `CancellationError`
  /// between two pieces.
  public static func quantize(
    _ checkpoint: Checkpoint, as type: QuantizedType = .q8, into directory: URL,
    progress: (ModelSynthesizer.Progress) -> Void = { _ in }
  ) throws {
    try AtomicDirectory.make(directory) { draft in
      try copy("config.json", from: checkpoint.directory, to: draft)
      for name in ["generation_config.json", "tokenizer.json"] {
        let file = checkpoint.directory.appending(path: name)
        guard FileManager.default.fileExists(atPath: file.path(percentEncoded: false)) else {
          continue
        }
        try copy(name, from: checkpoint.directory, to: draft)
      }
      let writer = QuantizedWriter(
        configuration: checkpoint.configuration, layout: type.layout
      ) { tensor, first, count, target in
        let stored = checkpoint.tensor(tensor.name)
        if let scales = checkpoint.scales(of: tensor.name) {
          let matrix = WeightMatrix(stored, scales: scales)
          let rows = first / matrix.columns..<(first + count) / matrix.columns
          matrix.copyTile(rows, 0..<matrix.columns, into: target)
        } else {
          stored.copy(first..<first + count, into: target)
        }
      }
      try writer.write(to: draft.appending(path: "model.safetensors"), progress: progress)
    }
  }

  private static func copy(_ name: String, from source: URL, to draft: URL) throws {
    let file = source.appending(path: name)
    do {
      try FileManager.default.copyItem(at: file, to: draft.appending(path: name))
    } catch {
      throw CheckpointError.unreadableFile(
        path: file.path(percentEncoded: false), reason: error.systemReason)
    }
  }
}

/// The types of quantized weights.
public enum QuantizedType: Hashable, Sendable, CaseIterable {
  /// 8-bit integers.
  case q8
  /// 4-bit integers.
  case q4

  /// The quantized type that a weight's type is; nil for floats.
  public init?(_ type: ElementType) {
    guard let own = Self.allCases.first(where: { $0.elementType == type }) else { return nil }
    self = own
  }

  /// The same type as that of a weight.
  public var elementType: ElementType { layout.elementType }

  var layout: QuantizedLayout {
    switch self {
    case .q8: .q8
    case .q4: .q4
    }
  }
}

/// Writes a checkpoint's weights with matrices of integers (``QuantizedLayout``).
///
/// Vectors are written as float32. The floats come from `floats`: elements `first` ..< `first + count`
/// of a tensor, into the pointer.
struct QuantizedWriter {
  typealias Source = (
    _ tensor: SafetensorsWriter.Tensor, _ first: Int, _ count: Int,
    _ target: UnsafeMutablePointer<Float>
  ) -> Void

  let configuration: BloomConfiguration
  let layout: QuantizedLayout
  let floats: Source

  /// Elements that are converted at a time.
  private static let piece = 1 << 21

  /// A tensor of the file, and what it is a part of: a matrix [rows, columns], or itself.
  private struct Part {
    let tensor: SafetensorsWriter.Tensor
    let shape: [Int]
    var isScale = false
  }

  private var parts: [Part] {
    CheckpointLayout.tensors(configuration).flatMap { name, shape in
      guard shape.count == 2 else {
        return [Part(tensor: .init(name: name, type: .f32, shape: shape), shape: shape)]
      }
      return [
        Part(
          tensor: .init(name: name, type: layout.weightType, shape: layout.weightShape(shape)),
          shape: shape),
        Part(
          tensor: .init(
            name: QuantizedLayout.scaleName(name), type: layout.scaleType,
            shape: QuantizedLayout.scaleShape(shape)),
          shape: shape, isScale: true),
      ]
    }
  }

  /// Writes the file; throws ``CheckpointError`` or, between two pieces, `CancellationError`.
  func write(to url: URL, progress: (ModelSynthesizer.Progress) -> Void) throws {
    let parts = parts
    let tensors = parts.map(\.tensor)
    let total = tensors.reduce(0) { $0 + $1.byteCount }
    var written = 0
    // Of the matrix written last; its scales are the next tensor.
    var scales: [UInt8] = []
    var next = parts.makeIterator()
    try SafetensorsWriter.write(tensors, to: url) { tensor, append in
      func put(_ bytes: UnsafeRawBufferPointer) throws {
        try Task.checkCancellation()
        try append(bytes)
        written += bytes.count
        progress(.init(bytesWritten: written, totalBytes: total))
      }
      guard let part = next.next() else { preconditionFailure("a tensor of no part") }
      if part.isScale {
        try scales.withUnsafeBytes(put)
      } else if part.shape.count == 2 {
        scales = try matrix(
          .init(name: tensor.name, type: .f32, shape: part.shape), put)
      } else {
        let count = tensor.shape.reduce(1, *)
        let values = FloatBuffer(count: count)
        floats(tensor, 0, count, values.pointer)
        try put(UnsafeRawBufferPointer(start: values.pointer, count: count * 4))
      }
    }
  }

  /// Writes the integers of a matrix of floats, returns the bytes of its scales.
  private func matrix(
    _ tensor: SafetensorsWriter.Tensor, _ put: (UnsafeRawBufferPointer) throws -> Void
  ) throws -> [UInt8] {
    let (rows, columns) = (tensor.shape[0], tensor.shape[1])
    let (rowBytes, groups) = (layout.rowBytes(columns), QuantizedLayout.groups(columns))
    let height = max(1, min(rows, Self.piece / columns))
    let values = FloatBuffer(count: height * columns)
    let integers = UnsafeMutableRawBufferPointer.allocate(
      byteCount: height * rowBytes, alignment: 64)
    defer { integers.deallocate() }
    guard let bytes = integers.baseAddress else { return [] }
    let scaleBytes = groups * layout.scaleElementSize
    let scales = FloatBuffer(count: (rows * scaleBytes + 3) / 4)
    for first in stride(from: 0, to: rows, by: height) {
      let count = min(height, rows - first)
      let parts = min(count, 4 * ComputePool.shared.threads)
      ComputePool.shared.parallel(parts) { part in
        let own = count * part / parts..<count * (part + 1) / parts
        let target = values.pointer + own.lowerBound * columns
        floats(tensor, (first + own.lowerBound) * columns, own.count * columns, target)
        layout.pack(
          target, rows: own.count, columns: columns, into: bytes + own.lowerBound * rowBytes,
          scales: UnsafeMutableRawPointer(scales.pointer) + (first + own.lowerBound) * scaleBytes)
      }
      try put(UnsafeRawBufferPointer(start: bytes, count: count * rowBytes))
    }
    return Array(UnsafeRawBufferPointer(start: scales.pointer, count: rows * scaleBytes))
  }
}

extension QuantizedLayout {
  /// Bytes of a scale.
  fileprivate var scaleElementSize: Int { scaleType.elementType?.size ?? 0 }

  /// Rounds rows of floats.
  fileprivate func pack(
    _ x: UnsafePointer<Float>, rows: Int, columns: Int, into weights: UnsafeMutableRawPointer,
    scales: UnsafeMutableRawPointer
  ) {
    switch self {
    case .q8:
      bloom_q8_pack(
        x, rows, columns, weights.assumingMemoryBound(to: Int8.self),
        scales.assumingMemoryBound(to: Float.self))
    case .q4:
      bloom_q4_pack(
        x, rows, columns, weights.assumingMemoryBound(to: UInt8.self),
        scales.assumingMemoryBound(to: UInt16.self))
    }
  }
}
