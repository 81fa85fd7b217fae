import Foundation

/// A chain, and the file that keeps it if there is one.
struct ChainCell {
  var chain: Chain
  var file: StateFile?
  /// Why the file no longer keeps up; every request is answered with it from then on.
  private(set) var failure: (any Error)?

  init(chain: Chain) {
    self.chain = chain
    self.file = nil
  }

  /// A chain that a file keeps from now on; it is written there.
  init(chain: Chain, file: StateFile) throws {
    self.chain = chain
    self.file = file
    self.chain.record.beginKeeping(try file.write(chain))
  }

  /// The chain that a file keeps, or a new one where the file holds none.
  init(keptIn url: URL, _ configuration: ChainConfiguration, now: UInt64) throws {
    let file = try StateFile(url)
    do {
      let text = try file.contents()
      let chain =
        ChainReplay.isBeginning(text)
        ? Chain(configuration, now: now)
        : try ChainReplay.chain(from: text, configuration: configuration, now: now)
      try self.init(chain: chain, file: file)
    } catch {
      file.removeIfNew()
      throw error
    }
  }

  /// Brings the file up to the chain.
  mutating func save() {
    chain.record.note(chain.settings)
    guard let file, failure == nil else { return }
    do {
      if chain.record.needsRewrite {
        chain.record.wasRewritten(try file.write(chain))
      } else {
        try file.append(chain.record.unsaved)
        chain.record.wasSaved()
      }
    } catch {
      failure = error
    }
  }
}
