import ArgumentParser
import PlumiseWire

/// `load`: steady traffic on a service, with a report of its latencies.
struct LoadCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "load",
    abstract: "Send requests at a steady rate and report how long the answers took.",
    discussion: """
      What is sent follows from what answers at the target: transfers to a chain, signed reports to
      an oracle (of either dialect), short generations to a node's HTTP interface. Latencies count
      from the moment at which a request was due. Ctrl-C ends it early, with the report.

      EXAMPLE
        petals-e2e load --target http://127.0.0.1:3100 --rate 500 --duration 10
      """)

  @Option(help: "The service's URL.")
  var target: String

  @Option(help: "Requests a second.")
  var rate = 100.0

  @Option(help: "Seconds.", transform: secondsArgument)
  var duration = 10.0

  @Option(help: "The most connections at a time.")
  var connections = 64

  @OptionGroup var output: OutputOptions

  func validate() throws {
    guard rate > 0, rate <= 100_000 else {
      throw ValidationError("--rate must be above 0 and at most 100000, not \(rate)")
    }
    guard duration > 0, rate * duration <= 10_000_000 else {
      throw ValidationError("--duration must be above 0, and at most 10000000 requests are sent")
    }
    guard (1...10_000).contains(connections) else {
      throw ValidationError("--connections must be 1 to 10000, not \(connections)")
    }
  }

  func run() async throws {
    let stops = StopRequests()
    let report = try await LoadTarget.with(target, connections: connections) { target in
      let work = try await target.work(rate: rate)
      let count = max(1, Int((rate * duration).rounded()))
      output.note("\(work.name) to \(target.url), \(rate) a second")
      let bar = ProgressBar("sending", quiet: output.quiet)
      defer { bar.finish() }
      let run = LoadRun(target: target, work: work, rate: rate, count: count)
      let sending = Task { await run.run { bar.update($0) } }
      let stopping = Task {
        _ = try await stops.next()
        sending.cancel()
      }
      defer { stopping.cancel() }
      return await sending.value
    }
    output.result(report.json, text: report.text)
    if report.succeeded < report.sent {
      throw CommandFailure.failed(
        "\(report.sent - report.succeeded) of \(report.sent) requests failed")
    }
  }
}
