public import Foundation
import JSONValues
public import TextKeys

/// Writes a safetensors file from tensors that are made piece by piece.
///
/// The data is written to a temporary file in the target's folder, which is renamed once it is
/// complete: a reader sees the old file or the new one, never a part of one.
public struct SafetensorsWriter {
  /// A tensor to be written.
  public struct Tensor: Hashable, Sendable {
    /// The tensor's name in the file.
    public let name: String
    /// The type of its elements, which are whole bytes.
    public let type: SafetensorsType
    /// Its sizes, outermost first.
    public let shape: [Int]
    private let elementSize: Int

    /// A tensor of `shape`, every size at least zero.
    public init(name: String, type: SafetensorsType, shape: [Int]) {
      precondition(shape.allSatisfy { $0 >= 0 }, "a size below zero in the shape of \(name)")
      guard let bits = type.bits, bits.isMultiple(of: 8) else {
        preconditionFailure("\(name): elements of type \(type.rawValue) cannot be written")
      }
      elementSize = bits / 8
      self.name = name
      self.type = type
      self.shape = shape
    }

    /// Bytes of data.
    public var byteCount: Int { shape.reduce(elementSize, *) }
  }

  /// Writes `tensors` in their order.
  ///
  /// `fill` is called once for each tensor and hands its bytes, in order, to the closure it is
  /// given: as many as the tensor has.
  public static func write(
    _ tensors: [Tensor], metadata: TextDictionary<String> = ["format": "pt"], to url: URL,
    fill: (Tensor, (UnsafeRawBufferPointer) throws -> Void) throws -> Void
  ) throws {
    let temporary = url.deletingLastPathComponent()
      .appending(path: ".\(url.lastPathComponent).\(UUID().uuidString).partial")
    let path = temporary.path(percentEncoded: false)
    let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else {
      throw CheckpointError.unwritableFile(
        path: url.path(percentEncoded: false), reason: String(cString: strerror(errno)))
    }
    do {
      defer { close(descriptor) }
      try header(tensors, metadata).withUnsafeBytes { try append($0, to: descriptor, url) }
      for tensor in tensors {
        var written = 0
        try fill(tensor) { bytes in
          written += bytes.count
          try append(bytes, to: descriptor, url)
        }
        precondition(written == tensor.byteCount, "\(tensor.name): \(written) bytes written")
      }
    } catch {
      unlink(path)
      throw error
    }
    guard rename(path, url.path(percentEncoded: false)) == 0 else {
      let reason = String(cString: strerror(errno))
      unlink(path)
      throw CheckpointError.unwritableFile(
        path: url.path(percentEncoded: false), reason: reason)
    }
  }

  /// Writes 32-bit tensors that are already in memory.
  public static func write(
    _ tensors: [(name: String, shape: [Int], values: [Float])], to url: URL
  ) throws {
    var remaining = tensors[...]
    try write(
      tensors.map { Tensor(name: $0.name, type: .f32, shape: $0.shape) }, to: url
    ) { _, append in
      // One call for each tensor, in order.
      if let next = remaining.popFirst() { try next.values.withUnsafeBytes(append) }
    }
  }

  private static func header(_ tensors: [Tensor], _ metadata: TextDictionary<String>) -> [UInt8] {
    var members: [String] = []
    if !metadata.isEmpty {
      let pairs = metadata.sorted { TextKey($0.key) < TextKey($1.key) }
        .map { "\(JSON.string($0.key).text):\(JSON.string($0.value).text)" }
      members.append("\"__metadata__\":{\(pairs.joined(separator: ","))}")
    }
    var offset = 0
    for tensor in tensors {
      let shape = tensor.shape.map(String.init).joined(separator: ",")
      let end = offset + tensor.byteCount
      members.append(
        "\(JSON.string(tensor.name).text):{\"dtype\":\"\(tensor.type.rawValue)\","
          + "\"shape\":[\(shape)],\"data_offsets\":[\(offset),\(end)]}")
      offset = end
    }
    var text = Array("{\(members.joined(separator: ","))}".utf8)
    // The data starts at a multiple of eight, so that every element is aligned.
    while text.count % 8 != 0 { text.append(0x20) }
    return withUnsafeBytes(of: UInt64(text.count).littleEndian, Array.init) + text
  }

  private static func append(
    _ bytes: UnsafeRawBufferPointer, to descriptor: Int32, _ url: URL
  ) throws {
    var rest = bytes[...]
    while !rest.isEmpty {
      let part = UnsafeRawBufferPointer(rebasing: rest)
      let count = Foundation.write(descriptor, part.baseAddress, part.count)
      if count < 0 {
        if errno == EINTR { continue }
        throw CheckpointError.unwritableFile(
          path: url.path(percentEncoded: false), reason: String(cString: strerror(errno)))
      }
      rest = rest.dropFirst(count)
    }
  }
}
