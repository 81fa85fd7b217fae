import Foundation
import PlumiseWire

/// A target of a load with what it is sent, and its share of all requests.
struct LoadStream: Sendable {
  let target: LoadTarget
  let workload: any Workload
  /// Of all requests; the shares of a load's streams add up to one.
  let share: Double

  /// For people: `oracle http://127.0.0.1:3100`.
  var name: String { "\(workload.kind.rawValue) \(target.url)" }

  /// Finds out what answers at each target, and makes its requests.
  ///
  /// A kind's weight is shared evenly by the targets of the kind. Where a chain is among the
  /// targets, the agents of reports are registered on it: an oracle that asks the chain takes no
  /// others.
  /// - Throws: `CommandFailure`: failed when a target does not answer, wrong input for one that is
  ///   unknown, or a mix that does not fit the targets.
  static func make(
    _ targets: [LoadTarget], _ course: LoadLoopOptions, _ generation: GenerationLoadOptions,
    mix: LoadMix?
  ) async throws -> [LoadStream] {
    var found: [(target: LoadTarget, service: LoadTarget.Service)] = []
    for target in targets { found.append((target, try await target.detect())) }
    let weights = try (mix ?? .even).weights(of: found.map { $0.service.kind })
    let chainURL = found.first { $0.service.kind == .chain }?.target.url
    let total = weights.reduce(0, +)
    var streams: [LoadStream] = []
    for (index, (target, service)) in found.enumerated() where weights[index] > 0 {
      let share = weights[index] / total
      streams.append(
        LoadStream(
          target: target,
          workload: try await target.workload(
            for: service, rate: course.greatestRate * share, generation,
            seed: course.seed &+ UInt64(index), chainURL: chainURL),
          share: share))
    }
    return streams
  }
}

extension LoadTarget.Service {
  var kind: LoadKind {
    switch self {
    case .chain: .chain
    case .oracle: .oracle
    case .node: .node
    case .gateway: .gateway
    }
  }
}

/// The weights of the kinds of targets: `oracle=5,node=2,chain=1`.
package struct LoadMix: Sendable {
  /// Each target has the same weight.
  static let even = LoadMix(weights: [:])

  /// Empty where all targets are alike.
  private let weights: [LoadKind: Double]

  fileprivate init(weights: [LoadKind: Double]) { self.weights = weights }

  /// As the command line spells it; empty where all targets are alike.
  var spelling: String {
    LoadKind.allCases.compactMap { kind in
      weights[kind].map { "\(kind.rawValue)=\(ShortNumber.text($0))" }
    }.joined(separator: ",")
  }

  /// The weight of each target.
  /// - Parameter kinds: What the targets are.
  /// - Throws: `CommandFailure` (wrong input) for a kind that no target is.
  func weights(of kinds: [LoadKind]) throws -> [Double] {
    if weights.isEmpty { return kinds.map { _ in 1 } }
    if let missing = weights.keys.first(where: { !kinds.contains($0) }) {
      throw CommandFailure.wrongInput(
        "--mix has a weight for \(missing.rawValue), and no target is one: the targets are "
          + Set(kinds.map(\.rawValue)).sorted().joined(separator: ", "))
    }
    return kinds.map { kind in
      (weights[kind] ?? 0) / Double(kinds.count { $0 == kind })
    }
  }
}

/// Mixes on the command line.
package struct LoadMixLimits: OptionLimits {
  package init() {}

  package var limits: String {
    "KIND=WEIGHT with commas between, of "
      + LoadKind.allCases.map(\.rawValue).joined(separator: ", ")
  }
  package var expectation: String { "a mix is \(limits), with weights above 0 up to 1000000" }

  package func value(_ text: String) -> LoadMix? {
    var found: [LoadKind: Double] = [:]
    for part in text.split(separator: ",", omittingEmptySubsequences: false) {
      let halves = part.split(separator: "=", omittingEmptySubsequences: false)
      guard halves.count == 2, let kind = LoadKind(rawValue: String(halves[0])),
        let weight = Double(halves[1]), weight > 1e-6, weight <= 1_000_000, found[kind] == nil
      else { return nil }
      found[kind] = weight
    }
    return LoadMix(weights: found)
  }
}

extension OptionLimits where Self == LoadMixLimits {
  static var mix: Self { LoadMixLimits() }
}
