import CBrotli

/// Unpacks Brotli's streams (RFC 7932).
///
/// Why calling the library here is safe: the decoder lives in this function, its pointers are those of
/// the two buffers that are open around each call, and every result is checked.
enum BrotliDecoder {
  /// The bytes that were packed.
  /// - Throws: ``InflateError`` when they are damaged, end early or hold more than the limit.
  static func unpack(_ packed: [UInt8], limit: Int) throws(InflateError) -> [UInt8] {
    guard let decoder = BrotliDecoderCreateInstance(nil, nil, nil) else {
      throw .damaged("Brotli's decoder does not start")
    }
    defer { BrotliDecoderDestroyInstance(decoder) }
    var output: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 1 << 16)
    let result = packed.withUnsafeBufferPointer { input -> Result<Void, InflateError> in
      var (next, left) = (input.baseAddress, input.count)
      while true {
        let (status, count) = chunk.withUnsafeMutableBufferPointer { chunk in
          var (target, room) = (chunk.baseAddress, chunk.count)
          let status = BrotliDecoderDecompressStream(decoder, &left, &next, &room, &target, nil)
          return (status, chunk.count - room)
        }
        output.append(contentsOf: chunk[..<count])
        guard output.count <= limit else { return .failure(.tooLarge(limit: limit)) }
        switch status {
        case BROTLI_DECODER_RESULT_SUCCESS: return .success(())
        case BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT: continue
        case BROTLI_DECODER_RESULT_NEEDS_MORE_INPUT: return .failure(.endsEarly)
        // In the words of Node.js, whose error has no others.
        default: return .failure(.damaged("Decompression failed"))
        }
      }
    }
    try result.get()
    return output
  }
}
