public import Foundation
import SystemErrors

/// A chain written to a file, and read from one.
extension MockWeb3 {
  /// Writes the whole chain to a file: blocks, waiting transactions, what tests changed, the clock.
  ///
  /// The file is there whole, or not at all; one that keeps a running chain is left alone.
  /// - Throws: ``StateFileError/unusable(path:reason:)``, ``StateFileError/inUse(path:holder:)``.
  public func dump(to url: URL) throws {
    let text = read { ChainReplay.text(of: $0) }
    let file = try StateFile(url)
    do { try file.write(text) } catch {
      file.removeIfNew()
      throw error
    }
  }

  /// Becomes the chain that a file holds; snapshots, filters and faults are gone.
  /// - Throws: ``StateFileError``, and nothing changes, when the file is none, damaged, or of a
  ///   chain that began with other accounts, another id or other rules.
  public func load(from url: URL) throws {
    let text: [UInt8]
    do { text = Array(try Data(contentsOf: url)) } catch {
      throw StateFileError.unusable(path: url.path, reason: error.systemReason)
    }
    let loaded = try ChainReplay.chain(from: text, configuration: configuration, now: now)
    change { $0.restart(as: loaded) }
  }
}
