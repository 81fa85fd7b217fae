package import AsyncPrimitives
import Foundation
import PlumiseWire

/// Lengths in tokens as the requests of a load have them: all alike, or distributed.
package struct LengthDistribution: Sendable, Hashable {
  /// The longest and the shortest length there is; what a distribution has beyond them is cut to
  /// them.
  package static let bounds = 1...4096

  /// The form of the distribution.
  package enum Form: Sendable, Hashable {
    case constant(Int)
    /// Each whole number of a range as often as any other.
    case uniform(ClosedRange<Int>)
    case normal(mean: Double, deviation: Double)
    /// The logarithm is normal: half of the lengths are below the median.
    case lognormal(median: Double, sigma: Double)
  }

  package let form: Form

  package init(_ form: Form) { self.form = form }

  static func constant(_ length: Int) -> LengthDistribution {
    LengthDistribution(.constant(length))
  }

  /// The length that chance gives next.
  package func draw(_ chance: inout SeededGenerator) -> Int {
    switch form {
    case .constant(let length): length
    case .uniform(let range):
      range.lowerBound + Int(chance.unit() * Double(range.count))
    case .normal(let mean, let deviation): Self.whole(mean + deviation * chance.normal())
    case .lognormal(let median, let sigma): Self.whole(median * exp(sigma * chance.normal()))
    }
  }

  private static func whole(_ length: Double) -> Int {
    Int(min(Double(bounds.upperBound), max(Double(bounds.lowerBound), length.rounded())))
  }

  /// As the command line spells it.
  package var spelling: String {
    switch form {
    case .constant(let length): "\(length)"
    case .uniform(let range): "uniform:\(range.lowerBound)-\(range.upperBound)"
    case .normal(let mean, let deviation):
      "normal:\(ShortNumber.text(mean)),\(ShortNumber.text(deviation))"
    case .lognormal(let median, let sigma):
      "lognormal:\(ShortNumber.text(median)),\(ShortNumber.text(sigma))"
    }
  }
}

extension SeededGenerator {
  /// A variate of the standard normal distribution (Box and Muller, 1958).
  mutating func normal() -> Double {
    (-2 * log(1 - unit())).squareRoot() * cos(2 * .pi * unit())
  }
}

/// Lengths on the command line: `64`, `uniform:16-256`, `normal:64,16`, `lognormal:64,0.5`.
package struct LengthDistributionLimits: OptionLimits {
  private let name: String

  /// - Parameter name: What such a length is, `a number of tokens`.
  package init(_ name: String) { self.name = name }

  package var limits: String {
    "from 1 to \(LengthDistribution.bounds.upperBound), uniform:FROM-TO, normal:MEAN,DEVIATION or "
      + "lognormal:MEDIAN,SIGMA"
  }
  package var expectation: String { "\(name) is a whole number \(limits)" }

  package func spelling(_ value: LengthDistribution) -> String { value.spelling }

  package func value(_ text: String) -> LengthDistribution? {
    let halves = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
    guard halves.count == 2 else {
      return length(halves[0]).map { LengthDistribution(.constant($0)) }
    }
    switch halves[0] {
    case "uniform":
      let ends = halves[1].split(separator: "-", omittingEmptySubsequences: false).map(length)
      guard ends.count == 2, let from = ends[0], let to = ends[1], from <= to else { return nil }
      return LengthDistribution(.uniform(from...to))
    case "normal":
      return pair(halves[1], spread: 0...4096).map {
        LengthDistribution(.normal(mean: $0, deviation: $1))
      }
    case "lognormal":
      return pair(halves[1], spread: 0...10).map {
        LengthDistribution(.lognormal(median: $0, sigma: $1))
      }
    default: return nil
    }
  }

  private func length(_ text: Substring) -> Int? {
    Int(text).flatMap { LengthDistribution.bounds.contains($0) ? $0 : nil }
  }

  private func pair(_ text: Substring, spread: ClosedRange<Double>) -> (Double, Double)? {
    let numbers = text.split(separator: ",", omittingEmptySubsequences: false).map { Double($0) }
    guard numbers.count == 2, let middle = numbers[0], let width = numbers[1],
      (1...Double(LengthDistribution.bounds.upperBound)).contains(middle), spread.contains(width)
    else { return nil }
    return (middle, width)
  }
}

extension OptionLimits where Self == LengthDistributionLimits {
  static var newTokens: Self { LengthDistributionLimits("a number of tokens") }
  static var promptTokens: Self { LengthDistributionLimits("a prompt's number of tokens") }
}
