import ArgumentParser
import AsyncPrimitives
import Foundation

/// How the requests of an open loop are spread over time, at one mean rate.
package enum Arrivals: String, CaseIterable, ExpressibleByArgument {
  /// One after another, evenly.
  case constant
  /// Independent of each other: the times between them are exponential.
  case poisson
  /// In bursts, or more evenly: the times between them have a gamma distribution (`--shape`).
  case gamma
}

/// A stretch of an open loop, over which the rate goes from one value to another in a straight
/// line.
package struct LoadStage: Sendable, Hashable {
  /// Requests a second at its beginning.
  package let from: Double
  /// Requests a second at its end.
  package let to: Double
  /// How long it is.
  package let seconds: Double

  package init(from: Double, to: Double, seconds: Double) {
    self.from = from
    self.to = to
    self.seconds = seconds
  }

  /// The same course at a share of its rates.
  func scaled(by share: Double) -> LoadStage {
    LoadStage(from: from * share, to: to * share, seconds: seconds)
  }

  /// How many requests are due in it.
  var requests: Double { (from + to) / 2 * seconds }

  /// When so many requests of it were due, in seconds from its beginning.
  ///
  /// The solution of `from·t + (to − from)·t² / (2·seconds) = requests`, in the form that loses
  /// no digits where the rates are nearly equal.
  func time(after requests: Double) -> Double {
    let slope = (to - from) / seconds
    let root = max(0, from * from + 2 * slope * requests).squareRoot()
    return from + root > 0 ? 2 * requests / (from + root) : 0
  }
}

/// The times at which the requests of an open loop are due, in seconds from its beginning.
///
/// Arrivals at a mean rate of one are stretched by the stages' rate, so that each kind of arrivals
/// works with each course of the rate: a Poisson process stays one.
package struct ArrivalTimes: Sequence, IteratorProtocol {
  private let arrivals: Arrivals
  private let shape: Double
  private var stages: ArraySlice<LoadStage>
  private var chance: SeededGenerator
  /// Requests due until now, at a rate of one.
  private var position = 0.0
  /// What of them was due, and what time had passed, before the first of the stages that are left.
  private var before = (requests: 0.0, seconds: 0.0)
  private var isFirst = true

  /// - Parameters:
  ///   - arrivals: How requests are spread.
  ///   - stages: The course of the rate.
  ///   - shape: Of the gamma distribution: 1 is Poisson, below it comes in bursts, above it more
  ///     evenly.
  ///   - seed: Where chance begins.
  package init(
    _ arrivals: Arrivals, _ stages: [LoadStage], shape: Double = 1, seed: UInt64 = 0
  ) {
    self.arrivals = arrivals
    self.shape = shape
    self.stages = stages[...]
    chance = SeededGenerator(seed: seed)
  }

  package mutating func next() -> Double? {
    switch arrivals {
    case .constant: if !isFirst { position += 1 }
    case .poisson: position += exponential()
    case .gamma: position += gamma(shape) / shape
    }
    isFirst = false
    while let stage = stages.first {
      let rest = position - before.requests
      if rest < stage.requests { return before.seconds + stage.time(after: rest) }
      before = (before.requests + stage.requests, before.seconds + stage.seconds)
      stages.removeFirst()
    }
    return nil
  }

  private mutating func exponential() -> Double { -log(1 - chance.unit()) }

  /// A gamma variate of scale 1 (Marsaglia and Tsang, 2000; for shapes below 1 with their boost).
  private mutating func gamma(_ shape: Double) -> Double {
    guard shape >= 1 else {
      return gamma(shape + 1) * pow(1 - chance.unit(), 1 / shape)
    }
    let d = shape - 1.0 / 3
    let c = 1 / (9 * d).squareRoot()
    while true {
      let normal = chance.normal()
      let v = pow(1 + c * normal, 3)
      guard v > 0 else { continue }
      if log(1 - chance.unit()) < 0.5 * normal * normal + d - d * v + d * log(v) { return d * v }
    }
  }
}

/// Stages on the command line: `50:10,50-200:30` is ten seconds at 50 a second, then thirty up to
/// 200.
package struct LoadStagesLimits: OptionLimits {
  package init() {}

  package var limits: String { "RATE:SECONDS or FROM-TO:SECONDS, with commas between stages" }
  package var expectation: String {
    "stages are \(limits), with rates up to 100000 and seconds from 0.001 to 31536000"
  }

  package func value(_ text: String) -> LoadStages? {
    let stages = text.split(separator: ",", omittingEmptySubsequences: false).map { part in
      let halves = part.split(separator: ":", omittingEmptySubsequences: false)
      let rates = halves[0].split(separator: "-", omittingEmptySubsequences: false)
        .map { Double($0) ?? .nan }
      guard halves.count == 2, (1...2).contains(rates.count), let seconds = Double(halves[1]),
        (0.001...31_536_000).contains(seconds), rates.allSatisfy({ (0...100_000).contains($0) })
      else { return nil as LoadStage? }
      return LoadStage(from: rates[0], to: rates[rates.count - 1], seconds: seconds)
    }
    let known = stages.compactMap { $0 }
    guard known.count == stages.count, known.contains(where: { $0.requests > 0 }) else {
      return nil
    }
    return LoadStages(stages: known)
  }
}

/// The stages of an open loop.
package struct LoadStages: Sendable {
  package let stages: [LoadStage]
}

extension OptionLimits where Self == LoadStagesLimits {
  static var stages: Self { LoadStagesLimits() }
}
