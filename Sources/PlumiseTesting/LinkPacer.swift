import AsyncPrimitives

/// When the bytes that one direction of a connection carries are due: a pure function of what came when,
/// of the fault, and of the seed.
struct LinkPacer {
  /// Some of the bytes that came, and when they go on.
  struct Piece: Equatable {
    let bytes: Int
    let due: Duration
  }

  private let fault: LinkFault?
  private let joins: Bool
  private var random: SeededGenerator
  /// When the latest piece is due; nil before the first.
  private var last: Duration?

  /// - Parameters:
  ///   - fault: What is wrong with the direction; nil for nothing.
  ///   - seed: Where jitter comes from.
  ///   - joins: Whether bytes that come while others are late go on with those. On a clock that tests move
  ///     the pieces of one message come at the same time, though the clock may have gone on between them.
  init(_ fault: LinkFault?, seed: UInt64, joins: Bool = false) {
    self.fault = fault
    self.joins = joins
    random = SeededGenerator(seed: seed)
  }

  /// Whether bytes wait at all.
  var paces: Bool {
    switch fault {
    case .delay, .throttle, .slice: true
    case .close, .reset, .closeAfter, .resetAfter, .hold, nil: false
    }
  }

  /// The pieces of bytes that come, in their order; none is due before those that came earlier.
  mutating func pieces(of count: Int, at now: Duration) -> [Piece] {
    guard count > 0 else { return [] }
    switch fault {
    case .delay(let delay, let jitter):
      if joins, let last, last > now { return [Piece(bytes: count, due: last)] }
      let due = max(last ?? .zero, now + delay + jitter * random.unit())
      last = due
      return [Piece(bytes: count, due: due)]
    case .throttle(let rate):
      // A tenth of a second at most goes out at once.
      return cut(count, every: max(1, rate / 10)) { bytes, last in
        max(last ?? now, now) + .seconds(Double(bytes) / Double(rate))
      }
    case .slice(let bytes, let pause):
      return cut(count, every: bytes) { _, last in max(last.map { $0 + pause } ?? now, now) }
    case .close, .reset, .closeAfter, .resetAfter, .hold, nil:
      return [Piece(bytes: count, due: now)]
    }
  }

  private mutating func cut(
    _ count: Int, every most: Int, due: (_ bytes: Int, _ last: Duration?) -> Duration
  ) -> [Piece] {
    stride(from: 0, to: count, by: most).map { start in
      let bytes = min(most, count - start)
      let time = due(bytes, last)
      last = time
      return Piece(bytes: bytes, due: time)
    }
  }
}
