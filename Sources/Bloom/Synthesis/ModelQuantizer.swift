import BloomKernels
public import Foundation
import SystemErrors

/// Turns a checkpoint's matrices into 8-bit integers.
public enum ModelQuantizer {
  /// Writes a copy of a checkpoint with 8-bit weights into `directory`, which must be missing or
  /// empty, and appears only when it is whole.
  ///
  /// Throws ``CheckpointError`` when something cannot be read or written, and `CancellationError`
  /// between two pieces.
  public static func quantize(
    _ checkpoint: Checkpoint, into directory: URL,
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
      let writer = QuantizedWriter(configuration: checkpoint.configuration) {
        tensor, first, count, target in
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

/// Writes a checkpoint's weights with matrices of 8-bit integers (``QuantizedLayout``).
///
/// Vectors are written as float32. The floats come from `floats`: elements `first` ..< `first + count`
/// of a tensor, into the pointer.
struct QuantizedWriter {
  typealias Source = (
    _ tensor: SafetensorsWriter.Tensor, _ first: Int, _ count: Int,
    _ target: UnsafeMutablePointer<Float>
  ) -> Void

  let configuration: BloomConfiguration
  let floats: Source

  /// Elements that are converted at a time.
  private static let piece = 1 << 21

  /// The tensors of the file.
  private var tensors: [SafetensorsWriter.Tensor] {
    CheckpointLayout.tensors(configuration).flatMap { name, shape in
      guard shape.count == 2 else {
        return [SafetensorsWriter.Tensor(name: name, type: .f32, shape: shape)]
      }
      return [
        SafetensorsWriter.Tensor(name: name, type: .i8, shape: shape),
        SafetensorsWriter.Tensor(
          name: QuantizedLayout.scaleName(name), type: .f32,
          shape: QuantizedLayout.scaleShape(shape)),
      ]
    }
  }

  /// Writes the file; throws ``CheckpointError`` or, between two pieces, `CancellationError`.
  func write(to url: URL, progress: (ModelSynthesizer.Progress) -> Void) throws {
    let tensors = tensors
    let total = tensors.reduce(0) { $0 + $1.byteCount }
    var written = 0
    // Of the matrix written last; its scales are the next tensor.
    var scales: [Float] = []
    try SafetensorsWriter.write(tensors, to: url) { tensor, append in
      func put(_ bytes: UnsafeRawBufferPointer) throws {
        try Task.checkCancellation()
        try append(bytes)
        written += bytes.count
        progress(.init(bytesWritten: written, totalBytes: total))
      }
      if tensor.type == .i8 {
        scales = try matrix(tensor, put)
      } else if tensor.shape.count == 2 {
        try scales.withUnsafeBytes(put)
      } else {
        let count = tensor.shape.reduce(1, *)
        let values = FloatBuffer(count: count)
        floats(tensor, 0, count, values.pointer)
        try put(UnsafeRawBufferPointer(start: values.pointer, count: count * 4))
      }
    }
  }

  /// Writes the integers, returns the scales.
  private func matrix(
    _ tensor: SafetensorsWriter.Tensor, _ put: (UnsafeRawBufferPointer) throws -> Void
  ) throws -> [Float] {
    let (rows, columns) = (tensor.shape[0], tensor.shape[1])
    let groups = QuantizedLayout.groups(columns)
    let height = max(1, min(rows, Self.piece / columns))
    let values = FloatBuffer(count: height * columns)
    let integers = UnsafeMutableBufferPointer<Int8>.allocate(capacity: height * columns)
    defer { integers.deallocate() }
    guard let bytes = integers.baseAddress else { return [] }
    let scales = FloatBuffer(count: rows * groups)
    for first in stride(from: 0, to: rows, by: height) {
      let count = min(height, rows - first)
      let parts = min(count, 4 * ComputePool.shared.threads)
      ComputePool.shared.parallel(parts) { part in
        let own = count * part / parts..<count * (part + 1) / parts
        let target = values.pointer + own.lowerBound * columns
        floats(tensor, (first + own.lowerBound) * columns, own.count * columns, target)
        bloom_q8_pack(
          target, own.count, columns, bytes + own.lowerBound * columns,
          scales.pointer + (first + own.lowerBound) * groups)
      }
      try put(UnsafeRawBufferPointer(start: bytes, count: count * columns))
    }
    return Array(UnsafeBufferPointer(start: scales.pointer, count: scales.count))
  }
}
