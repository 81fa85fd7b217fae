import Foundation
import PlumiseWire

extension JSON {
  /// A number with so many places at most; what is beyond them is noise in a measurement.
  ///
  /// What JSON cannot spell, a rate in no time or a share of nothing, is null.
  static func decimal(_ value: Double, places: Int) -> JSON {
    let scale = pow(10, Double(places))
    let rounded = (value * scale).rounded() / scale
    return rounded.isFinite ? .number(JSONNumber(python: rounded)) : .null
  }

  /// Seconds, to the tenth of a millisecond.
  static func seconds(_ duration: Duration) -> JSON {
    .decimal(duration / .seconds(1), places: 4)
  }

  /// Milliseconds, to the microsecond.
  static func milliseconds(_ duration: Duration) -> JSON {
    .decimal(duration / .milliseconds(1), places: 3)
  }
}
