import Bloom
import Foundation

/// How many blocks of a model a node's memory has room for, and what is left for its caches.
package struct BlockMemory: Hashable, Sendable {
  /// Tokens whose keys and values each block has room for at least, as on Petals' servers.
  package static let cachedTokens = 4096
  /// What the rest of the process and the machine take: a tenth.
  private static let reserve = 10

  /// Blocks to serve.
  package let blockCount: Int
  /// Bytes for the caches of all sessions; nil leaves them what a node takes by itself.
  package let cacheBudget: Int?

  /// A number of blocks that does not depend on memory.
  package init(blockCount: Int) {
    self.blockCount = blockCount
    cacheBudget = nil
  }

  /// As many blocks as fit, with their caches.
  ///
  /// - Parameters:
  ///   - bytes: The memory that there is.
  ///   - weights: Bytes of the largest block's weights.
  ///   - cache: Bytes of keys and values of one token in one block.
  ///   - most: Blocks of the model.
  /// - Returns: Nil where not even one fits.
  package init?(bytes: Int, weights: Int, cache: Int, most: Int) {
    let usable = bytes - bytes / Self.reserve
    let count = min(most, usable / (weights + Self.cachedTokens * cache))
    guard count >= 1 else { return nil }
    blockCount = count
    // Weights are mapped: caches may take all that they leave.
    cacheBudget = usable - count * weights
  }
}

extension BlockCount {
  /// The blocks that a node serves, and its caches.
  ///
  /// - Parameters:
  ///   - cacheType: How its caches store keys and values.
  ///   - megabytes: What it may take where memory decides; nil takes what is free.
  /// - Throws: `CommandFailure` (wrong input) where no block fits.
  func memory(
    for checkpoint: Checkpoint, cacheType: CacheType, megabytes: Int?
  ) throws -> BlockMemory {
    let model = checkpoint.configuration
    if case .fixed(let count) = self {
      return BlockMemory(blockCount: min(count, model.blockCount))
    }
    let bytes = megabytes.map { $0 * 1_000_000 } ?? FreeMemory.bytes()
    let weights = checkpoint.largestBlockBytes
    let cache = Shard.bytesPerCachedToken(
      model, blocks: try BlockRange(0..<1, of: model.blockCount), cacheType: cacheType)
    guard
      let memory = BlockMemory(
        bytes: bytes, weights: weights, cache: cache, most: model.blockCount)
    else {
      throw CommandFailure.wrongInput(
        "--num-blocks auto: a block takes \(weights) bytes and \(cache) for each of "
          + "\(BlockMemory.cachedTokens) tokens, but \(bytes) are there: name more with --memory-mb, or "
          + "a number of blocks")
    }
    return memory
  }
}

/// The memory that this process may still take.
package enum FreeMemory {
  /// What the system says is free, or what is left of the limit of a control group (version 2) where that
  /// is less: of this process's own one and of each above it; all of the machine's memory where the system
  /// does not say.
  static func bytes() -> Int {
    let (meminfo, physical) = (text("/proc/meminfo"), ProcessInfo.processInfo.physicalMemory)
    let free = groups(of: text("/proc/self/cgroup")).map { folder in
      bytes(
        meminfo: meminfo, limit: text("\(folder)/memory.max"),
        used: text("\(folder)/memory.current"), statistics: text("\(folder)/memory.stat"),
        physical: physical)
    }
    return free.min() ?? Int(clamping: physical)
  }

  /// The same of one control group, from what the system's files hold; nil for those that are not there.
  package static func bytes(
    meminfo: String?, limit: String?, used: String?, statistics: String? = nil, physical: UInt64
  ) -> Int {
    let free = meminfo.flatMap(available) ?? Int(clamping: physical)
    // "max" where there is no limit.
    guard let limit = limit.flatMap({ Int($0) }), let used = used.flatMap({ Int($0) }) else {
      return free
    }
    // What the group uses counts pages of files, as of weights that were read: the system gives those up.
    let cached = min(used, statistics.map(cachedFiles) ?? 0)
    return min(free, max(0, limit - (used - cached)))
  }

  /// The folders of a process's control group and of those above it, the outermost one last.
  ///
  /// - Parameter cgroup: What `/proc/self/cgroup` holds; a container sees its own group as the outermost
  ///   one.
  package static func groups(of cgroup: String?) -> [String] {
    let root = "/sys/fs/cgroup"
    let line = cgroup?.split(separator: "\n").first { $0.hasPrefix("0::") }
    let names = line?.dropFirst(3).split(separator: "/") ?? []
    // A process that was moved out of what its container sees has a path that goes above it.
    guard !names.contains("..") else { return [root] }
    return (0...names.count).reversed().map { count in
      ([root] + names.prefix(count).map(String.init)).joined(separator: "/")
    }
  }

  private static func cachedFiles(_ statistics: String) -> Int {
    statistics.split(separator: "\n").reduce(0) { sum, line in
      let fields = line.split(separator: " ")
      guard fields.count == 2, fields[0] == "inactive_file" || fields[0] == "active_file" else {
        return sum
      }
      return sum + max(0, Int(fields[1]) ?? 0)
    }
  }

  private static func available(_ meminfo: String) -> Int? {
    let line = meminfo.split(separator: "\n").first { $0.hasPrefix("MemAvailable:") }
    let fields = line?.split(separator: " ") ?? []
    return fields.count == 3 && fields[2] == "kB" ? Int(fields[1]).map { $0 * 1024 } : nil
  }

  private static func text(_ path: String) -> String? {
    // A system without such a file says nothing.
    (try? String(contentsOfFile: path, encoding: .utf8))?
      .trimmingCharacters(in: .whitespacesAndNewlines)
  }
}
