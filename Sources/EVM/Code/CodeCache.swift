import EthereumPrimitives
import Synchronization

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
