/// What a chain's file needs to know beyond the blocks and the pool: the changes by tests, which
/// steps the file does not have yet, and after which of its steps the chain is where it is.
///
/// It is part of the chain, so that a snapshot brings it back with everything else.
struct ChainRecord {
  /// All changes by tests, the oldest first.
  private(set) var edits: [StateEdit] = []
  /// Whether a file keeps the chain; without one no steps are gathered.
  private var isKept = false
  /// Steps that the file does not have yet.
  private(set) var unsaved: [ChainEvent] = []
  /// Whether another chain took this one's place, and the file has to be written anew.
  private(set) var needsRewrite = false
  private var settings: ChainSettings?
  /// The step of the file that the chain is after; 0 is the file's beginning.
  private var step = 0
  /// How many steps the file has, with those that are unsaved and those that were taken back.
  private var stepCount = 0
  /// After which step of the file the latest blocks were the latest, by their heights.
  private var blockSteps: [UInt64: Int] = [:]

  mutating func append(_ edit: StateEdit) {
    edits.append(edit)
    append(.edit(edit.change))
  }

  mutating func append(_ event: @autoclosure () -> ChainEvent) {
    guard isKept else { return }
    unsaved.append(event())
    stepCount += 1
    step = stepCount
  }

  /// Notes the settings when they are others than before.
  mutating func note(_ settings: ChainSettings) {
    guard settings != self.settings else { return }
    // The settings that a chain starts with are its configuration's.
    if self.settings != nil { append(.settings(settings)) }
    self.settings = settings
  }

  /// Notes that the latest step made a block; only blocks that can be undone are remembered.
  mutating func note(blockAt height: UInt64) {
    guard isKept else { return }
    blockSteps[height] = step
    if height >= BlockHistory.mostRemovable {
      blockSteps[height - BlockHistory.mostRemovable] = nil
    }
  }

  /// Takes back everything since a block was the latest one, all that waits included.
  /// - Returns: the changes by tests among it, the oldest first.
  mutating func takeBack(to height: UInt64) -> [StateEdit] {
    if isKept {
      if let step = blockSteps[height] {
        unsaved.append(.takenBack(to: step))
        append(.emptied)
      } else {
        needsRewrite = true
      }
    }
    let first = edits.firstIndex { $0.height >= height } ?? edits.endIndex
    defer { edits.removeSubrange(first...) }
    return Array(edits[first...])
  }

  /// A file keeps the chain from here on, and has these steps.
  mutating func beginKeeping(_ log: ChainReplay.Log) {
    isKept = true
    wasRewritten(log)
  }

  /// The file has everything.
  mutating func wasSaved() { unsaved = [] }

  /// The file was written anew, with these steps.
  mutating func wasRewritten(_ log: ChainReplay.Log) {
    unsaved = []
    needsRewrite = false
    (step, stepCount, blockSteps) = (log.stepCount, log.stepCount, log.blockSteps)
  }

  /// The chain that this record is of, an earlier state of the other one, is the chain again.
  mutating func comeBack(after other: ChainRecord) {
    isKept = other.isKept
    unsaved = other.unsaved
    needsRewrite = other.needsRewrite
    stepCount = other.stepCount
    if isKept { unsaved.append(.takenBack(to: step)) }
  }

  /// The chain that this record is of took the place of another one, whose file it gets.
  mutating func takeThePlace(of other: ChainRecord) {
    isKept = other.isKept
    unsaved = []
    needsRewrite = true
  }
}
