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

  @Option(within: .serviceURL, help: "The service's URL.")
  var target: String

  @Option(
    within: RealNumbers("a rate", above: 0, upTo: 100_000), help: "Requests a second.")
  var rate = 100.0

  @Option(within: .someTime, help: "Seconds.")
  var duration = Seconds(whole: 10)

  @Option(
    within: WholeNumbers("a number of connections", 1...10_000),
    help: "The most connections at a time.")
  var connections = 64

  private static let mostRequests = 10_000_000.0

  @OptionGroup var output: OutputOptions

  func validate() throws {
    guard rate * duration.value <= Self.mostRequests else {
      throw ValidationError(
        "--rate times --duration is the number of requests, which goes up to 10000000")
    }
  }

  func run() async throws {
    let stops = StopRequests()
    let report = try await LoadTarget.with(target, connections: connections) { target in
      let work = try await target.work(rate: rate)
      let count = max(1, Int((rate * duration.value).rounded()))
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
