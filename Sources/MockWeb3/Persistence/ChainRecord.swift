/// What a chain's file needs to know beyond the blocks and the pool: the changes by tests, and
/// which steps the file does not have yet.
///
/// It is part of the chain, so that a snapshot brings it back with everything else.
struct ChainRecord {
  /// All changes by tests, the oldest first.
  private(set) var edits: [StateEdit] = []
  /// Whether a file keeps the chain; without one no steps are gathered.
  private var isKept = false
  /// Steps that the file does not have yet.
  private(set) var unsaved: [ChainEvent] = []
  /// Whether the file holds steps that were taken back, and has to be written anew.
  private(set) var needsRewrite = false
  private var settings: ChainSettings?

  mutating func append(_ edit: StateEdit) {
    edits.append(edit)
    append(.edit(edit.change))
  }

  mutating func append(_ event: @autoclosure () -> ChainEvent) {
    if isKept { unsaved.append(event()) }
  }

  /// Notes the settings when they are others than before.
  mutating func note(_ settings: ChainSettings) {
    guard settings != self.settings else { return }
    // The settings that a chain starts with are its configuration's.
    if self.settings != nil { append(.settings(settings)) }
    self.settings = settings
  }

  /// Takes back the changes that were made on top of a block or of later ones.
  /// - Returns: the changes, the oldest first.
  mutating func removeEdits(since height: UInt64) -> [StateEdit] {
    needsRewrite = true
    let first = edits.firstIndex { $0.height >= height } ?? edits.endIndex
    defer { edits.removeSubrange(first...) }
    return Array(edits[first...])
  }

  /// A file keeps the chain from here on, and has everything so far.
  mutating func beginKeeping() { isKept = true }

  /// The file has everything.
  mutating func wasSaved() {
    unsaved = []
    needsRewrite = false
  }

  /// The chain that this record is of took the place of another one, whose file it gets.
  mutating func takeThePlace(of other: ChainRecord) {
    isKept = other.isKept
    unsaved = []
    needsRewrite = true
  }
}
