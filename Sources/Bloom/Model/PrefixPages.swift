package import Crypto
import Foundation
import Synchronization

/// Keys and values of the beginnings of sequences, in pages that equal beginnings share.
///
/// A page holds 64 tokens of a run of blocks. Its key is a digest of what led to it: that of the page before,
/// and what the page's tokens were, as ids or as hidden states. So a page is found by every sequence that
/// begins alike and by no other, and two sequences that part after some pages share those before. Pages never
/// change: a sequence copies them into its own cache, behind which it goes on.
package final class PrefixPages: Sendable {
  /// Tokens of a page.
  package static let tokens = 64

  /// Whose page it is: SHA-256, chained.
  package typealias Key = SHA256Digest

  /// A page that was computed.
  package struct Page: Sendable {
    /// Keys and values of its tokens.
    let keyValues: CachePage
    /// The last block's output, row-major `[tokens, hidden]`; empty where nobody needs it.
    package let output: [Float]

    /// A page by its parts.
    package init(keyValues: CachePage, output: [Float] = []) {
      self.keyValues = keyValues
      self.output = output
    }

    var bytes: Int { keyValues.byteCount + output.count * MemoryLayout<Float>.stride }
  }

  private struct Entry: Sendable {
    let page: Page
    /// When it was used last.
    var use: UInt64
  }

  private struct State: Sendable {
    var entries: [Key: Entry] = [:]
    var usage = PrefixUsage()
    var use: UInt64 = 0

    mutating func touch(_ key: Key) {
      use += 1
      entries[key]?.use = use
    }
  }

  private let budget: Int
  private let state = Mutex(State())

  /// Nothing is kept yet.
  ///
  /// - Parameter budget: Bytes that all pages may take; with 0 none is kept.
  package init(budget: Int) { self.budget = budget }

  /// Whether pages are kept at all.
  package var isOn: Bool { budget > 0 }

  /// What is kept, and what it was good for.
  package var usage: PrefixUsage { state.withLock { $0.usage } }

  /// The keys of a sequence's whole pages.
  ///
  /// - Parameters:
  ///   - kind: What the sequence goes through and is made of: the same tokens have other keys and values in
  ///     other blocks.
  ///   - content: A sequence's tokens, in bytes.
  ///   - size: Bytes of a token.
  package static func keys(
    _ kind: String, of content: UnsafeRawBufferPointer, bytesPerToken size: Int
  ) -> [Key] {
    var last = SHA256.hash(data: Data(kind.utf8))
    let page = tokens * size
    return (0..<content.count / page).map { index in
      var hash = SHA256()
      last.withUnsafeBytes { hash.update(bufferPointer: $0) }
      hash.update(
        bufferPointer: UnsafeRawBufferPointer(rebasing: content[index * page..<(index + 1) * page]))
      last = hash.finalize()
      return last
    }
  }

  /// The pages of a sequence, from its first on, as far as they are known.
  package func find(_ keys: [Key]) -> [Page] {
    state.withLock { state in
      var pages: [Page] = []
      for key in keys {
        guard let entry = state.entries[key] else { break }
        pages.append(entry.page)
      }
      // A page is of use only with those before it, which are therefore forgotten after it.
      for key in keys.prefix(pages.count).reversed() { state.touch(key) }
      return pages
    }
  }

  /// Keeps pages of a sequence, and forgets those that were not used for longest where there are too many.
  ///
  /// - Parameters:
  ///   - pages: The last ones of the sequence, in their order.
  ///   - keys: The keys of all of the sequence's pages.
  package func keep(_ pages: [Page], of keys: [Key]) {
    // What the lock returns is freed outside it.
    _ = state.withLock { state -> [Page] in
      for (key, page) in zip(keys.suffix(pages.count), pages) where state.entries[key] == nil {
        state.entries[key] = Entry(page: page, use: 0)
        state.usage.pages += 1
        state.usage.bytes += page.bytes
      }
      for key in keys.reversed() { state.touch(key) }
      guard state.usage.bytes > budget else { return [] }
      var removed: [Page] = []
      for (key, entry) in state.entries.sorted(by: { $0.value.use < $1.value.use }) {
        guard state.usage.bytes > budget else { break }
        state.entries[key] = nil
        state.usage.pages -= 1
        state.usage.bytes -= entry.page.bytes
        removed.append(entry.page)
      }
      return removed
    }
  }

  /// Counts a sequence's first tokens.
  package func count(computed: Int, reused: Int) {
    state.withLock { state in
      state.usage.computedTokens += computed
      state.usage.reusedTokens += reused
      if reused > 0 { state.usage.hits += 1 }
    }
  }

  /// Forgets all pages.
  package func removeAll() {
    _ = state.withLock { state in
      defer {
        state.entries = [:]
        (state.usage.pages, state.usage.bytes) = (0, 0)
      }
      return state.entries
    }
  }
}

/// What a prefix cache holds, and what it was good for.
public struct PrefixUsage: Sendable, Hashable {
  /// Pages of 64 tokens that are kept.
  public var pages = 0
  /// Bytes that they take.
  public var bytes = 0
  /// Prompts that began with known pages.
  public var hits = 0
  /// Tokens of prompts that went through the blocks.
  public var computedTokens = 0
  /// Tokens of prompts that did not, since an equal beginning had.
  public var reusedTokens = 0

  /// Nothing is kept.
  public init() {}
}

/// Keys and values of a run of tokens, apart from any cache.
package final class CachePage: @unchecked Sendable {
  // Sendable: written once, before it is shared.
  /// Tokens that it holds.
  let tokens: Int
  /// That of the cache.
  let type: CacheType
  /// [block, key/value, head, token, element].
  let keyValues: UnsafeMutableRawPointer
  /// [block, head]: a bound of the keys' lengths.
  let longestKeys: FloatBuffer
  private let keyValueBytes: Int

  /// Memory for a run of tokens, to be written.
  fileprivate init(tokens: Int, type: CacheType, heads: Int, bytesPerRow: Int) {
    self.tokens = tokens
    self.type = type
    keyValueBytes = 2 * heads * tokens * bytesPerRow
    keyValues = .allocate(byteCount: max(keyValueBytes, 1), alignment: 64)
    longestKeys = FloatBuffer(count: heads)
  }

  deinit { keyValues.deallocate() }

  /// Bytes of memory.
  var byteCount: Int { keyValueBytes + longestKeys.count * MemoryLayout<Float>.stride }
}

extension KeyValueCache {
  /// A copy of the keys and values of some tokens that the cache holds: whole panels of 16.
  ///
  /// A pass that appends behind them meanwhile does no harm.
  package func page(of tokens: Range<Int>) -> CachePage {
    let page = CachePage(
      tokens: tokens.count, type: type, heads: headCount * blocks.count, bytesPerRow: bytesPerRow)
    forEachRun(of: page, at: tokens.lowerBound) { stored, own, bytes in
      stored.copyMemory(from: own, byteCount: bytes)
    }
    for block in 0..<blocks.count {
      for head in 0..<headCount {
        page.longestKeys.pointer[block * headCount + head] =
          longestKey(block: block, head: head).pointee
      }
    }
    return page
  }

  /// Writes a page's keys and values, which are of the cache's type, in a pass that claimed the cache.
  func write(_ page: CachePage, at position: Int) {
    precondition(page.type == type, "a page is written to a cache of its type")
    forEachRun(of: page, at: position) { stored, own, bytes in
      own.copyMemory(from: stored, byteCount: bytes)
    }
    for block in 0..<blocks.count {
      for head in 0..<headCount {
        let longest = longestKey(block: block, head: head)
        let other = page.longestKeys.pointer[block * headCount + head]
        // What is not a number stays, as in a pass.
        if !(other <= longest.pointee) { longest.pointee = other }
      }
    }
  }

  /// Appends pages behind what the cache holds; throws ``CacheError`` where it has no place for them, or is of
  /// another type.
  package func append(_ pages: [PrefixPages.Page]) throws(CacheError) {
    for page in pages where page.keyValues.type != type {
      throw .otherType(expected: type, found: page.keyValues.type)
    }
    let tokens = pages.reduce(0) { $0 + $1.keyValues.tokens }
    var position = try reserve(tokens)
    for page in pages {
      write(page.keyValues, at: position)
      position += page.keyValues.tokens
    }
    release(adding: tokens)
  }

  /// Calls `body` with each run of a page, the cache's own at a position, and their bytes.
  private func forEachRun(
    of page: CachePage, at position: Int,
    _ body: (UnsafeMutableRawPointer, UnsafeMutableRawPointer, Int) -> Void
  ) {
    precondition(
      type == .f32
        || page.tokens.isMultiple(of: CacheType.panel) && position.isMultiple(of: CacheType.panel),
      "a page of f16 has whole panels")
    let bytes = page.tokens * bytesPerRow
    for plane in 0..<2 * blocks.count {
      for head in 0..<headCount {
        body(
          page.keyValues + (plane * headCount + head) * bytes, run(plane, head, from: position),
          bytes)
      }
    }
  }
}
