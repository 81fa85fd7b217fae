public import EthereumPrimitives
import Synchronization

/// A contract's code, made ready to run: padded, with its jump destinations found.
///
/// It never changes, so that everyone who runs the same code shares it. `@unchecked Sendable`
/// because its two buffers are written in `init` and freed in `deinit` alone; init code, whose jump
/// destinations are found when it jumps first, belongs to the one machine that runs it.
public final class Code: @unchecked Sendable {
  /// keccak256 of the code.
  public var hash: Hash32 {
    knownHash ?? Keccak256.hash(UnsafeBufferPointer(start: start, count: count))
  }

  /// Nil for init code, of which CREATE2 alone asks for it.
  private let knownHash: Hash32?
  /// How many bytes it has.
  public let count: Int

  /// The code between zeros: 32 in front, so that the operand of any PUSH can be read as 32 bytes
  /// that end where it ends, and 33 behind, where code that runs off its end finds STOP.
  private let storage: UnsafeMutableRawPointer
  /// Whether the jump destinations were looked for, and then a bit for every byte: whether it is a
  /// JUMPDEST that is no operand.
  private let destinations: UnsafeMutablePointer<UInt64>

  /// The first byte.
  let start: UnsafePointer<UInt8>

  /// Code of some bytes.
  /// - Parameters:
  ///   - bytes: the bytecode.
  ///   - hash: their keccak256, where it is known.
  public convenience init(_ bytes: [UInt8], hash: Hash32? = nil) {
    self.init(copying: bytes, count: bytes.count, hash: hash)
  }

  convenience init(copying bytes: UnsafeRawPointer, count: Int, hash: Hash32?) {
    self.init(
      bytes, count,
      hash: hash ?? Keccak256.hash(UnsafeRawBufferPointer(start: bytes, count: count)))
    findDestinations()
  }

  /// Init code, which mostly runs once and never jumps: neither its hash nor its jump destinations are
  /// computed before they are needed.
  ///
  /// A contract may make it of megabytes for 32 000 gas.
  convenience init(initCode bytes: UnsafeRawPointer, count: Int) {
    self.init(bytes, count, hash: nil)
  }

  private init(_ bytes: UnsafeRawPointer, _ count: Int, hash: Hash32?) {
    self.count = count
    knownHash = hash
    storage = .allocate(byteCount: count + 65, alignment: 16)
    storage.initializeMemory(as: UInt8.self, repeating: 0, count: count + 65)
    (storage + 32).copyMemory(from: bytes, byteCount: count)
    start = UnsafePointer((storage + 32).assumingMemoryBound(to: UInt8.self))
    destinations = .allocate(capacity: count / 64 + 2)
    destinations.initialize(repeating: 0, count: count / 64 + 2)
  }

  @inline(never)
  private func findDestinations() {
    destinations[0] = 1
    var position = 0
    while position < count {
      let opcode = start[position]
      if opcode == 0x5b { destinations[1 + (position >> 6)] |= 1 << UInt64(position & 63) }
      // The operand of PUSH1 to PUSH32 is no code.
      position += opcode &- 0x60 < 32 ? Int(opcode) - 0x5e : 1
    }
  }

  deinit {
    storage.deallocate()
    destinations.deallocate()
  }

  /// No code at all.
  public static let empty = Code([])

  /// The bytes.
  public var bytes: [UInt8] { Array(UnsafeBufferPointer(start: start, count: count)) }

  /// Whether a jump may go there.
  @inline(__always)
  func isDestination(_ position: UInt64) -> Bool {
    guard position < UInt64(count) else { return false }
    if destinations[0] == 0 { findDestinations() }
    return destinations[1 + Int(position >> 6)] >> (position & 63) & 1 == 1
  }
}

/// Code that was made ready to run, by its hash, for machines that follow each other or run at once.
public final class CodeCache: Sendable {
  private struct Contents {
    var codes: [Hash32: Code] = [:]
    var size = 0
  }

  private let limit: Int
  private let contents = Mutex(Contents())

  /// An empty cache.
  /// - Parameter limit: how many bytes of code it holds at most; when they are reached, it starts
  ///   anew.
  public init(limit: Int = 64 << 20) { self.limit = limit }

  /// The code with a hash, read if it is not there.
  func code(hash: Hash32, orElse read: () -> [UInt8]) -> Code {
    if let code = contents.withLock({ $0.codes[hash] }) { return code }
    let code = Code(read(), hash: hash)
    contents.withLock { contents in
      if contents.size + code.count > limit { contents = Contents() }
      if contents.codes.updateValue(code, forKey: hash) == nil { contents.size += code.count }
    }
    return code
  }
}
