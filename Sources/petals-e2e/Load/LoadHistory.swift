import PlumiseWire
import ReportPages

/// When each request of a load was due and how long it took, and the faults that were on.
struct LoadHistory: Sendable {
  /// The load's time, with the faults of the network that it started; those of other services nobody tells.
  let timeLine: TimeLine
  private let moments: [Plot.Moment]

  /// - Parameters:
  ///   - records: All requests.
  ///   - elapsed: Seconds to the last answer.
  ///   - faults: In milliseconds from the load's beginning.
  init(_ records: [LoadRecord], elapsed: Double, faults: [FaultBand]) {
    let end = 1000 * elapsed
    let bands = faults.compactMap { fault -> FaultBand? in
      // What was over before the load, or came behind it, is no band of its time.
      guard fault.from < end, (fault.to ?? end) > 0 else { return nil }
      var band = fault
      band.from = max(0, fault.from)
      return band
    }
    timeLine = TimeLine(lanes: [], marks: [], bands: bands, end: end)
    moments = records.map { record in
      Plot.Moment(
        time: 1000 * record.due, value: 1000 * (record.end - record.due),
        succeeded: record.isGood)
    }
  }

  /// The faults as they stand in `report.json`.
  var faultsJSON: JSON { .array(timeLine.bands.map(\.json)) }

  /// The points that are drawn.
  var plotJSON: JSON {
    .array(Plot.thinned(moments, from: timeLine.from, to: timeLine.to).map(\.json))
  }

  /// The requests over the faults' bands.
  var section: HTML {
    if moments.isEmpty { return "" }
    return HTML.section(
      "Requests",
      """
      \(Plot.moments("Requests by when they were due and how long they took", moments, over: timeLine))
      \(timeLine.bandList)
      """)
  }
}
