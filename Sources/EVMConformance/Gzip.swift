import CZlib

/// Reads files that gzip packed (RFC 1952).
///
/// Why calling zlib here is safe: the stream lives in this function, its pointers are those of the
/// two buffers that are open around the calls, and every return code is checked.
enum Gzip {
  /// The most that a file may hold when unpacked, in bytes.
  static let limit = 1 << 30

  /// Whether bytes begin as gzip's files do.
  static func isPacked(_ bytes: [UInt8]) -> Bool { bytes.starts(with: [0x1f, 0x8b]) }

  /// The bytes that were packed.
  ///
  /// - Throws: ``GzipError`` when they are damaged, end early or hold more than ``limit``.
  static func unpack(_ packed: [UInt8]) throws(GzipError) -> [UInt8] {
    var stream = z_stream()
    // 15 bits of window, and 16 for gzip's header.
    let started = inflateInit2_(
      &stream, 15 + 16, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
    guard started == Z_OK else { throw .damaged("zlib refuses to start: \(started)") }
    defer { inflateEnd(&stream) }
    var packed = packed
    var output: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 1 << 16)
    let status = packed.withUnsafeMutableBufferPointer { input -> Result<Void, GzipError> in
      stream.next_in = input.baseAddress
      stream.avail_in = UInt32(clamping: input.count)
      while true {
        let (status, count) = chunk.withUnsafeMutableBufferPointer { chunk in
          stream.next_out = chunk.baseAddress
          stream.avail_out = UInt32(chunk.count)
          return (inflate(&stream, Z_NO_FLUSH), chunk.count - Int(stream.avail_out))
        }
        output.append(contentsOf: chunk[..<count])
        guard output.count <= limit else { return .failure(.tooLarge) }
        switch status {
        case Z_OK: continue
        case Z_STREAM_END where stream.avail_in == 0: return .success(())
        // gzip's files may be written one behind the other.
        case Z_STREAM_END where inflateReset(&stream) == Z_OK: continue
        case Z_BUF_ERROR: return .failure(.damaged("the file ends in the middle"))
        default: return .failure(.damaged("zlib says \(status)"))
        }
      }
    }
    try status.get()
    return output
  }
}

/// Why a packed file cannot be read.
enum GzipError: Error, CustomStringConvertible {
  case damaged(String)
  case tooLarge

  var description: String {
    switch self {
    case .damaged(let reason): "it is no whole gzip file: \(reason)"
    case .tooLarge: "it holds more than \(Gzip.limit) bytes"
    }
  }
}
