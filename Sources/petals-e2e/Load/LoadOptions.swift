import ArgumentParser
import Foundation
import PlumiseWire

/// How the requests of a load follow one another, on the command line.
struct LoadLoopOptions: ParsableArguments {
  @Option(
    within: RealNumbers("a rate", above: 0, upTo: 100_000), help: "Requests a second.")
  var rate = 100.0

  @Option(within: .positiveTime, help: "Seconds that are measured.")
  var duration = Seconds(whole: 10)

  @Option(help: "How requests are spread at their rate: constant, poisson or gamma.")
  var arrivals = Arrivals.constant

  @Option(
    within: RealNumbers("a shape", above: 0.001, upTo: 1000),
    help: "With --arrivals gamma: below 1 requests come in bursts, above it more evenly.")
  var shape = 0.5

  @Option(within: .seed, help: "Where the chance of arrivals, lengths and prompts begins.")
  var seed: UInt64 = 0

  @Option(
    within: .time, help: "Seconds in which the rate rises from 0, before those of --duration.")
  var ramp = Seconds(whole: 0)

  @Option(
    within: .stages, help: "The course of the rate, in place of --rate, --ramp and --duration.")
  var stages: LoadStages?

  @Option(
    within: WholeNumbers("a number of users", 1...10_000),
    help: "So many users in place of a rate, each with one request at a time.")
  var users: Int?

  @Option(within: .time, help: "Seconds at first whose requests are sent and not counted.")
  var warmUp = Seconds(whole: 0)

  private static let maximumRequests = 10_000_000.0

  func validate() throws {
    if users != nil, stages != nil || arrivals != .constant || ramp.value > 0 {
      throw ValidationError(
        "--users sends each request after the last answer: "
          + "it cannot be combined with --arrivals, --ramp and --stages")
    }
    guard users != nil || openStages.reduce(0, { $0 + $1.requests }) <= Self.maximumRequests else {
      throw ValidationError(
        "--rate times --duration is the number of requests, which goes up to 10000000")
    }
    guard warmUp.value < loop.seconds else {
      throw ValidationError("--warm-up leaves nothing of the load's \(loop.seconds) seconds")
    }
  }

  private var openStages: [LoadStage] {
    if let stages { return stages.stages }
    let steady = LoadStage(from: rate, to: rate, seconds: duration.value + warmUp.value)
    return ramp.value > 0 ? [LoadStage(from: 0, to: rate, seconds: ramp.value), steady] : [steady]
  }

  /// The loop that is asked for; the warm-up is before the seconds of `--duration`.
  var loop: LoadLoop {
    if let users { return .closed(users: users, seconds: duration.value + warmUp.value) }
    return .open(arrivals, openStages, shape: shape, seed: seed)
  }

  /// The most requests a second; of users what no service here exceeds.
  var greatestRate: Double {
    if let users { return Double(min(10_000, users * 2000)) }
    return openStages.reduce(0) { max($0, $1.from, $1.to) }
  }

  /// The loop in a few words.
  var text: String {
    if let users { return "\(users) users" }
    if let stages { return "\(arrivals.rawValue) arrivals in \(stages.stages.count) stages" }
    return "\(rate) a second, \(arrivals.rawValue) arrivals"
  }

  var json: JSON {
    guard users == nil else {
      return [
        "loop": "closed", "users": .integer(users ?? 0),
        "warm_up_s": .decimal(warmUp.value, places: 3),
      ]
    }
    var object: JSONObject = [
      "loop": "open", "arrivals": .string(arrivals.rawValue),
      "stages": .array(
        openStages.map { stage in
          [
            "from": .decimal(stage.from, places: 3), "to": .decimal(stage.to, places: 3),
            "seconds": .decimal(stage.seconds, places: 3),
          ]
        }),
      "seed": .string("\(seed)"), "warm_up_s": .decimal(warmUp.value, places: 3),
    ]
    if arrivals == .gamma { object["shape"] = .decimal(shape, places: 3) }
    return .object(object)
  }
}
