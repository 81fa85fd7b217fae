import ArgumentParser
import Foundation
import PlumiseWire
import SystemErrors

/// `load`: traffic on a service, with a report of its latencies.
struct LoadCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "load",
    abstract: "Send requests at a rate, or as so many users, and report how long the answers took.",
    discussion: """
      What is sent follows from what answers at the target: transfers to a chain, signed reports to
      an oracle (of either dialect), generations to a node's HTTP interface. At a rate latencies count
      from the moment at which a request was due. Ctrl-C ends it early, with the report.

      EXAMPLE
        petals-e2e load --target http://127.0.0.1:3100 --rate 500 --duration 10
        petals-e2e load --target http://127.0.0.1:31331 --users 4 --stream
        petals-e2e load --target http://127.0.0.1:3100 --stages 100:10,100-900:30
      """)

  @Option(within: .serviceURL, help: "The service's URL.")
  var target: String

  @OptionGroup(title: "When requests are sent") var course: LoadLoopOptions

  @OptionGroup(title: "What is generated") var generation: GenerationLoadOptions

  @Option(
    within: WholeNumbers("a number of connections", 1...10_000),
    help: "The most connections at a time.")
  var connections = 64

  @Option(
    within: .goals,
    help: "What an answer must keep to count as good; the report then has the goodput.")
  var slo: LoadGoals?

  @Option(help: "A folder for report.html and report.json.", completion: .directory)
  var report: String?

  @Option(
    help: "A file for every request, one JSON object a line.",
    completion: .file(extensions: ["jsonl"]))
  var requests: String?

  @OptionGroup var output: OutputOptions

  func run() async throws {
    let signals = ShutdownSignals()
    let folder = try report.map { try ReportFolder($0) }
    let file = try requests.map { try RequestFile($0) }
    let started = Date()
    let (workload, records, elapsed) = try await LoadTarget.with(
      target, connections: max(connections, course.users ?? 0)
    ) { target in
      let workload = try await target.workload(rate: course.greatestRate, generation)
      output.note("\(workload.name) to \(target.url), \(course.text)")
      let bar = ProgressBar("sending", quiet: output.quiet)
      defer { bar.finish() }
      let run = LoadRun(target: target, workload: workload, loop: course.loop)
      let sending = Task { await run.run { bar.update($0) } }
      let stopping = Task {
        _ = try await signals.next()
        sending.cancel()
      }
      defer { stopping.cancel() }
      let (records, elapsed) = await sending.value
      return (workload.name, records, elapsed)
    }
    let figures = LoadFigures(
      records, warmUp: course.warmUp.value, elapsed: elapsed, goals: slo)
    let result = LoadReport(
      started: started, target: target, workload: workload, course: course.json, goals: slo,
      figures: figures)
    try file?.write(records, warmUp: course.warmUp.value)
    try folder?.write(result.json, page: LoadPage.render(result))
    output.result(result.json, text: figures.text + (folder.map { "\nreport: \($0.page)" } ?? ""))
    if figures.succeeded < figures.sent {
      throw CommandFailure.failed(
        "\(figures.sent - figures.succeeded) of \(figures.sent) requests failed")
    }
  }
}

/// What is reported of a load: `report.json` of the schema `petals-e2e/load/1`.
struct LoadReport: Sendable {
  static let schema = "petals-e2e/load/1"

  let started: Date
  let target: String
  let workload: String
  let course: JSON
  let goals: LoadGoals?
  let figures: LoadFigures

  var json: JSON {
    var object: JSONObject = [
      "schema": .string(Self.schema), "started": .string(started.formatted(.iso8601)),
      "command": .array(CommandLine.arguments.map { .string($0) }), "machine": Machine.current.json,
      "version": .string(PetalsE2E.release), "target": .string(target),
      "workload": .string(workload), "course": course, "goals": goals?.json ?? .null,
    ]
    for member in figures.json.members { object[member.key] = member.value }
    object["series"] = .array(figures.series.map(\.json))
    object["plots"] = .object(
      JSONObject(
        uniqueMembers: figures.distributions.sorted { $0.key.rawValue < $1.key.rawValue }
          .map { ($0.key.rawValue, $0.value.plotJSON) }))
    return .object(object)
  }
}

/// The file of a load's requests, made before the load begins.
private struct RequestFile {
  private let handle: FileHandle
  private let path: String

  /// - Throws: `CommandFailure` (wrong input) when it cannot be written.
  init(_ path: String) throws {
    self.path = path
    do {
      try Data().write(to: URL(filePath: path))
      handle = try FileHandle(forWritingTo: URL(filePath: path))
    } catch {
      throw CommandFailure.wrongInput("cannot write --requests \(path): \(error.systemReason)")
    }
  }

  func write(_ records: [LoadRecord], warmUp: Double) throws {
    do {
      for start in stride(from: 0, to: records.count, by: 1000) {
        let lines = records[start..<min(records.count, start + 1000)].map {
          $0.json(isCounted: $0.due >= warmUp).text + "\n"
        }
        try handle.write(contentsOf: Data(lines.joined().utf8))
      }
      try handle.close()
    } catch {
      throw CommandFailure.failed("cannot write --requests \(path): \(error.systemReason)")
    }
  }
}
