/// A chain, and the file that keeps it if there is one.
struct ChainCell {
  var chain: Chain
  var file: StateFile?
  /// Why the file no longer keeps up; every request is answered with it from then on.
  private(set) var failure: (any Error)?

  init(chain: Chain, file: StateFile? = nil) {
    self.chain = chain
    self.file = file
    if file != nil { self.chain.record.beginKeeping() }
  }

  /// Brings the file up to the chain.
  mutating func save() {
    chain.record.note(chain.settings)
    guard let file, failure == nil else { return }
    do {
      try file.save(chain)
      chain.record.wasSaved()
    } catch {
      failure = error
    }
  }
}
