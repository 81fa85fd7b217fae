package import NIOCore

/// What comes over a socket of p2pd.
package enum SwarmFrame: Hashable, Sendable {
  /// A protobuf message behind its length.
  case control([UInt8])
  /// A message of a stream.
  case message([UInt8])
  /// The end of a stream, with the error that it ends with; an empty one is an orderly end.
  case end([UInt8])
}

/// Why bytes on a socket are no frames.
package enum SwarmFrameError: Error, Hashable, Sendable, CustomStringConvertible {
  /// A frame is longer than the most that is read.
  case oversized(length: UInt64, limit: Int)
  /// A byte that begins no frame.
  case unknownMarker(UInt8)
  /// A length in more than ten bytes.
  case malformedLength

  /// One line that says what is wrong.
  package var description: String {
    switch self {
    case .oversized(let length, let limit):
      "a frame of \(length) bytes, \(limit) are the most that is read"
    case .unknownMarker(let byte): "the byte \(byte) begins no frame of a stream"
    case .malformedLength: "a frame's length has more than ten bytes"
    }
  }
}

/// Cuts a socket's bytes into frames.
///
/// Control messages have their length in front, as an unsigned varint. On the socket of a stream only
/// the first one is such a message; hivemind's frames follow it: a marker (0 for a message, 1 for the
/// end), eight bytes of length, the most significant one first, and the body.
package struct SwarmFrameDecoder: NIOSingleStepByteToMessageDecoder {
  package typealias InboundOut = SwarmFrame

  private static let headerLength = 9

  private let limit: Int
  private let isStream: Bool
  private var isControl = true

  /// - Parameters:
  ///   - limit: The longest body that is read, in bytes.
  ///   - isStream: Whether stream frames follow the first message.
  package init(limit: Int, isStream: Bool) {
    self.limit = limit
    self.isStream = isStream
  }

  package mutating func decode(buffer: inout ByteBuffer) throws -> SwarmFrame? {
    isControl ? try control(&buffer) : try frame(&buffer)
  }

  package mutating func decodeLast(buffer: inout ByteBuffer, seenEOF: Bool) throws -> SwarmFrame? {
    try decode(buffer: &buffer)
  }

  private mutating func control(_ buffer: inout ByteBuffer) throws -> SwarmFrame? {
    var length: UInt64 = 0
    var bytes = 0
    for byte in buffer.readableBytesView.prefix(10) {
      length |= UInt64(byte & 0x7f) << (7 * UInt64(bytes))
      bytes += 1
      if byte < 0x80 {
        try check(length)
        guard buffer.readableBytes >= bytes + Int(length) else { return nil }
        buffer.moveReaderIndex(forwardBy: bytes)
        isControl = !isStream
        return .control(buffer.readBytes(length: Int(length)) ?? [])
      }
    }
    if bytes == 10 { throw SwarmFrameError.malformedLength }
    return nil
  }

  private func frame(_ buffer: inout ByteBuffer) throws -> SwarmFrame? {
    guard let marker = buffer.getInteger(at: buffer.readerIndex, as: UInt8.self) else { return nil }
    guard marker <= 1 else { throw SwarmFrameError.unknownMarker(marker) }
    guard let length = buffer.getInteger(at: buffer.readerIndex + 1, as: UInt64.self) else {
      return nil
    }
    try check(length)
    guard buffer.readableBytes >= Self.headerLength + Int(length) else { return nil }
    buffer.moveReaderIndex(forwardBy: Self.headerLength)
    let body = buffer.readBytes(length: Int(length)) ?? []
    return marker == 0 ? .message(body) : .end(body)
  }

  private func check(_ length: UInt64) throws(SwarmFrameError) {
    guard length <= UInt64(limit) else { throw .oversized(length: length, limit: limit) }
  }
}

extension SwarmFrame {
  /// The frame's bytes.
  package var encoded: ByteBuffer {
    var buffer = ByteBuffer()
    switch self {
    case .control(let body):
      buffer.writeVarint(UInt64(body.count))
      buffer.writeBytes(body)
    case .message(let body): buffer.writeFrame(0, body)
    case .end(let body): buffer.writeFrame(1, body)
    }
    return buffer
  }
}

extension ByteBuffer {
  mutating func writeVarint(_ number: UInt64) {
    var rest = number
    while rest >= 0x80 {
      writeInteger(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    writeInteger(UInt8(rest))
  }

  fileprivate mutating func writeFrame(_ marker: UInt8, _ body: [UInt8]) {
    reserveCapacity(9 + body.count)
    writeInteger(marker)
    writeInteger(UInt64(body.count))
    writeBytes(body)
  }
}
