import CZlib

/// Unpacks what was packed as gzip (RFC 1952), also several members one behind the other, as zlib
/// (RFC 1950), or as Brotli (RFC 7932).
///
/// Why calling zlib here is safe: the stream lives in this function, its pointers are those of the
/// two buffers that are open around the calls, and every return code is checked.
package enum Inflater {
  /// How the packed bytes are framed.
  package enum Format: Sendable {
    /// RFC 1952.
    case gzip
    /// RFC 1950, which HTTP calls `deflate`.
    case zlib
    /// RFC 7932, which HTTP calls `br`.
    case brotli

    /// 15 bits of window, and 16 for gzip's header.
    fileprivate var windowBits: Int32 { self == .gzip ? 15 + 16 : 15 }
  }

  /// Whether bytes begin as gzip's files do.
  package static func isGzip(_ bytes: [UInt8]) -> Bool { bytes.starts(with: [0x1f, 0x8b]) }

  /// The bytes that were packed.
  /// - Parameters:
  ///   - packed: the packed bytes, all of them.
  ///   - format: how they are framed.
  ///   - limit: the most bytes that they may hold.
  /// - Throws: ``InflateError`` when they are damaged, end early or hold more than the limit.
  package static func unpack(
    _ packed: [UInt8], _ format: Format, limit: Int
  ) throws(InflateError) -> [UInt8] {
    if format == .brotli { return try BrotliDecoder.unpack(packed, limit: limit) }
    var stream = z_stream()
    let started = inflateInit2_(
      &stream, format.windowBits, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
    guard started == Z_OK else { throw .damaged("zlib refuses to start: \(started)") }
    defer { inflateEnd(&stream) }
    var packed = packed
    var output: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 1 << 16)
    let status = packed.withUnsafeMutableBufferPointer { input -> Result<Void, InflateError> in
      stream.next_in = input.baseAddress
      stream.avail_in = UInt32(clamping: input.count)
      while true {
        let (status, count) = chunk.withUnsafeMutableBufferPointer { chunk in
          stream.next_out = chunk.baseAddress
          stream.avail_out = UInt32(chunk.count)
          return (inflate(&stream, Z_NO_FLUSH), chunk.count - Int(stream.avail_out))
        }
        output.append(contentsOf: chunk[..<count])
        guard output.count <= limit else { return .failure(.tooLarge(limit: limit)) }
        switch status {
        case Z_OK: continue
        case Z_STREAM_END where format == .zlib || stream.avail_in == 0: return .success(())
        // Zeros that fill up a block, as of a tape, may stand behind the last member.
        case Z_STREAM_END where stream.next_in.pointee == 0: return .success(())
        // gzip's members may stand one behind the other.
        case Z_STREAM_END where inflateReset(&stream) == Z_OK: continue
        case Z_BUF_ERROR: return .failure(.endsEarly)
        case Z_NEED_DICT: return .failure(.damaged("Missing dictionary"))
        default:
          let reason = stream.msg.map { String(cString: $0) } ?? "zlib says \(status)"
          return .failure(.damaged(reason))
        }
      }
    }
    try status.get()
    return output
  }
}

/// Why packed bytes cannot be unpacked.
package enum InflateError: Error, Hashable, Sendable, CustomStringConvertible {
  /// They are not what they should be, in zlib's words.
  case damaged(String)
  /// They end in the middle.
  case endsEarly
  /// They hold more than the limit, in bytes.
  case tooLarge(limit: Int)

  /// What is wrong, in a line.
  package var description: String {
    switch self {
    case .damaged(let reason): reason
    case .endsEarly: "unexpected end of file"
    case .tooLarge(let limit): "it holds more than \(limit) bytes"
    }
  }
}
