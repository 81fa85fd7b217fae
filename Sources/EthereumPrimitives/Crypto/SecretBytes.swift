/// Bytes that are overwritten when their last owner is deallocated.
///
/// Copies of the owner share one buffer, so a secret has one place in memory. What a function
/// computes from it in registers or on the stack is not overwritten.
///
/// `@unchecked Sendable` because the buffer is written in `init` and `deinit` alone, when nothing
/// else can hold a reference.
package final class SecretBytes: @unchecked Sendable {
  private let buffer: UnsafeMutableRawBufferPointer

  /// Allocates a number of zero bytes and lets the closure fill them.
  package init<E: Error>(
    count: Int, filledBy fill: (UnsafeMutableRawBufferPointer) throws(E) -> Void
  ) throws(E) {
    buffer = .allocate(byteCount: count, alignment: 16)
    buffer.initializeMemory(as: UInt8.self, repeating: 0)
    try fill(buffer)
  }

  /// Copies bytes; the caller's copy remains.
  package convenience init(_ bytes: some Collection<UInt8>) {
    self.init(count: bytes.count) { $0.copyBytes(from: bytes) }
  }

  package var count: Int { buffer.count }

  package func withUnsafeBytes<R, E: Error>(
    _ body: (UnsafeRawBufferPointer) throws(E) -> R
  ) throws(E) -> R {
    try body(UnsafeRawBufferPointer(buffer))
  }

  /// A copy of some of the bytes, wiped in its own time.
  package func slice(_ range: Range<Int>) -> SecretBytes {
    withUnsafeBytes { SecretBytes($0[range]) }
  }

  deinit {
    Libcrypto.cleanse(buffer)
    buffer.deallocate()
  }
}
