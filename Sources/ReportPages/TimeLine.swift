package import JSONValues

/// What happened when: marks on a lane for each part, over bands for the faults that were on.
///
/// Times are milliseconds from the report's beginning.
package struct TimeLine: Sendable {
  /// Something that happened, at once or from one moment to another.
  package struct Mark: Sendable, Hashable {
    /// What it was, for the colour.
    package enum Kind: String, Sendable, Hashable { case plain, bar, good, warn, bad }

    /// The lane that it stands on.
    package var lane: String
    /// When it began.
    package var from: Double
    /// When it ended; the beginning for what has no length.
    package var to: Double
    /// What it was.
    package var kind: Kind
    /// What happened, in a line; of several that stand at one place the first.
    package var text: String
    /// How many happened there.
    package var count = 1

    /// A mark by its parts.
    package init(_ lane: String, from: Double, to: Double? = nil, _ kind: Kind, _ text: String) {
      self.lane = lane
      self.from = from
      self.to = to ?? from
      self.kind = kind
      self.text = text
    }
  }

  /// When it begins.
  package let from: Double
  /// When it ends: above the beginning.
  package let to: Double
  /// The lanes from top to bottom.
  package let lanes: [String]
  /// What happened, by the lanes and the times; at most one of a kind for each two thousandth of a lane.
  package let marks: [Mark]
  /// When which fault was on.
  package let bands: [FaultBand]

  /// A time line of marks; those of a kind that would stand at one place become one.
  /// - Parameters:
  ///   - lanes: From top to bottom; lanes of marks that are not among them follow.
  ///   - marks: In any order.
  ///   - bands: The faults that were on.
  ///   - end: When it ends at the earliest.
  package init(lanes: [String], marks: [Mark], bands: [FaultBand], end: Double) {
    let others = Set(marks.map(\.lane)).subtracting(lanes).sorted()
    let all = lanes + others
    let latest = marks.map(\.to).max() ?? 0
    let earliest = min(0, marks.map(\.from).min() ?? 0)
    let last = max(end, latest, earliest + 1)
    (from, to) = (earliest, last)
    self.lanes = all
    self.bands = bands
    self.marks = Self.merged(marks, lanes: all, cell: (last - earliest) / 2000)
  }

  private struct Place: Hashable {
    let lane: Int
    let kind: Mark.Kind
    let cell: Int
  }

  private static func merged(_ marks: [Mark], lanes: [String], cell: Double) -> [Mark] {
    let places = Dictionary(uniqueKeysWithValues: zip(lanes, lanes.indices))
    let sorted = marks.sorted {
      (places[$0.lane] ?? 0, $0.from, $0.to) < (places[$1.lane] ?? 0, $1.from, $1.to)
    }
    var kept: [Mark] = []
    var known: [Place: Int] = [:]
    for mark in sorted {
      // What is seen as a length stays by itself, unless it begins where another one does.
      let place = Place(
        lane: places[mark.lane] ?? 0, kind: mark.kind, cell: Int((mark.from / cell).rounded(.down)))
      if let index = known[place] {
        kept[index].to = max(kept[index].to, mark.to)
        kept[index].count += mark.count
      } else {
        known[place] = kept.count
        kept.append(mark)
      }
    }
    return kept
  }

  /// As it stands in `report.json`.
  package var json: JSON {
    [
      "from_ms": .decimal(from, places: 3), "to_ms": .decimal(to, places: 3),
      "lanes": .array(lanes.map { .string($0) }),
      "marks": .array(
        marks.map { mark in
          [
            "lane": .string(mark.lane), "from_ms": .decimal(mark.from, places: 3),
            "to_ms": .decimal(mark.to, places: 3), "kind": .string(mark.kind.rawValue),
            "count": .integer(mark.count), "text": .string(mark.text),
          ]
        }),
      "faults": .array(bands.map(\.json)),
    ]
  }
}

/// A fault, and when it was on.
package struct FaultBand: Sendable, Hashable {
  /// Who had it: `oracle`, `chain`, `node-1`.
  package var part: String
  /// What it was: the order, or what was done to a link.
  package var fault: String
  /// Since when, in milliseconds from the report's beginning.
  package var from: Double
  /// Until when; nil while it is on.
  package var to: Double?
  /// Why it went off.
  package var ending: String?

  /// A band by its parts.
  package init(part: String, fault: String, from: Double, to: Double? = nil, ending: String? = nil)
  {
    self.part = part
    self.fault = fault
    self.from = from
    self.to = to
    self.ending = ending
  }

  /// As it stands in `report.json`.
  package var json: JSON {
    [
      "part": .string(part), "fault": .string(fault), "from_ms": .decimal(from, places: 3),
      "to_ms": to.map { .decimal($0, places: 3) } ?? .null,
      "ending": ending.map { .string($0) } ?? .null,
    ]
  }
}
