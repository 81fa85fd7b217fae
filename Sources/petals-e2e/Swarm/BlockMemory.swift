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
  /// - Parameter megabytes: What it may take where memory decides; nil takes what is free.
  /// - Throws: `CommandFailure` (wrong input) where no block fits.
  func memory(for checkpoint: Checkpoint, megabytes: Int?) throws -> BlockMemory {
    let model = checkpoint.configuration
    if case .fixed(let count) = self {
      return BlockMemory(blockCount: min(count, model.blockCount))
    }
    let bytes = megabytes.map { $0 * 1_000_000 } ?? FreeMemory.bytes()
    let weights = checkpoint.largestBlockBytes
    let cache = Shard.bytesPerCachedToken(
      model, blocks: try BlockRange(0..<1, of: model.blockCount))
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
  /// What a control group's files hold (version 2); nil for those that are not there.
  package struct Group: Sendable {
    let limit: String?
    let used: String?
    let statistics: String?

    /// A group by `memory.max`, `memory.current` and `memory.stat`.
    package init(limit: String?, used: String?, statistics: String? = nil) {
      self.limit = limit
      self.used = used
      self.statistics = statistics
    }

    /// What is left of the limit; nil where there is none ("max").
    ///
    /// Pages of files count as used, a model that was just fetched among them, but give way.
    fileprivate var left: Int? {
      guard let limit = limit.flatMap({ Int($0) }), let used = used.flatMap({ Int($0) }) else {
        return nil
      }
      let pages = ["inactive_file", "active_file"].reduce(0) { $0 + number($1) }
      return max(0, limit - max(0, used - pages))
    }

    private func number(_ name: String) -> Int {
      let line = (statistics ?? "").split(separator: "\n").first { $0.hasPrefix("\(name) ") }
      return line?.split(separator: " ").last.flatMap { Int($0) } ?? 0
    }
  }

  /// What the system says is free, or what is left of the limit of a control group that this process is
  /// in where that is less; all of the machine's memory where the system does not say.
  static func bytes() -> Int {
    bytes(
      meminfo: text("/proc/meminfo"), groups: groups(),
      physical: ProcessInfo.processInfo.physicalMemory)
  }

  /// The same from what the system's files hold.
  package static func bytes(meminfo: String?, groups: [Group], physical: UInt64) -> Int {
    let free = meminfo.flatMap(available) ?? Int(clamping: physical)
    return groups.compactMap(\.left).reduce(free, min)
  }

  private static func available(_ meminfo: String) -> Int? {
    let line = meminfo.split(separator: "\n").first { $0.hasPrefix("MemAvailable:") }
    let fields = line?.split(separator: " ") ?? []
    return fields.count == 3 && fields[2] == "kB" ? Int(fields[1]).map { $0 * 1024 } : nil
  }

  /// This process's control group and those that it is in, up to the one that a container sees as the
  /// root.
  private static func groups() -> [Group] {
    let path =
      text("/proc/self/cgroup")?.split(separator: "\n").first { $0.hasPrefix("0::") }
      .map { String($0.dropFirst(3)) } ?? ""
    let parts = path.split(separator: "/")
    return (0...parts.count).map { count in
      let folder = "/sys/fs/cgroup/" + parts.prefix(count).joined(separator: "/")
      return Group(
        limit: text("\(folder)/memory.max"), used: text("\(folder)/memory.current"),
        statistics: text("\(folder)/memory.stat"))
    }
  }

  private static func text(_ path: String) -> String? {
    // A system without such a file says nothing.
    (try? String(contentsOfFile: path, encoding: .utf8))?
      .trimmingCharacters(in: .whitespacesAndNewlines)
  }
}
