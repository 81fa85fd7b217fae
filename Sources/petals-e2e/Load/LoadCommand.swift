import ArgumentParser
import Foundation
import NetworkWatch
import PlumiseWire
import SystemErrors

/// `load`: traffic on services, with a report of its latencies.
struct LoadCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "load",
    abstract: "Send requests at a rate, or as so many users, and report how long the answers took.",
    discussion: """
      What is sent follows from what answers at each target: transfers to a chain, signed reports to
      an oracle (of either dialect), generations to a node's HTTP interface, chats to a gateway. At a
      rate latencies count from the moment at which a request was due. Ctrl-C ends it early, with the
      report.

      EXAMPLE
        petals-e2e load --target http://127.0.0.1:3100 --rate 500 --duration 10
        petals-e2e load --target http://127.0.0.1:31331 --users 4 --stream
        petals-e2e load --target http://127.0.0.1:3100 --stages 100:10,100-900:30
        petals-e2e load --network agents --model tiny --rate 20 --soak --duration 600
        petals-e2e load --model tiny --sweep nodes=1-4,sessions=1-16 --report sweep
      """)

  @OptionGroup(title: "What the load is on") var subject: LoadSubjectOptions

  @OptionGroup(title: "When requests are sent") var course: LoadLoopOptions

  @OptionGroup(title: "What is generated") var generation: GenerationLoadOptions

  @OptionGroup(title: "Loads that last") var soaking: SoakOptions

  @Option(
    within: .sweep,
    help: "One load after another, over numbers of nodes, splits of blocks and sessions.")
  var sweep: SweepPlan?

  @Option(
    within: WholeNumbers("a number of connections", 1...10_000),
    help: "The most connections at a time to one target.")
  var connections = 64

  @Option(within: .positiveTime, help: "Seconds within which a whole answer has to come.")
  var timeout = Seconds(whole: 60)

  @Option(
    within: .goals,
    help: "What an answer must keep to count as good; the report then has the goodput.")
  var slo: LoadGoals?

  @Option(
    help: "A folder for report.html, report.json, junit.xml and requests.jsonl.",
    completion: .directory)
  var report: String?

  @Option(
    help: """
      A file for every request, one JSON object a line, in place of the report's requests.jsonl.
      """,
    completion: .file(extensions: ["jsonl"]))
  var requests: String?

  @OptionGroup var output: OutputOptions

  func validate() throws {
    if let sweep {
      try sweep.validate(
        targets: subject.target.count, startsNetwork: subject.network != nil,
        isSoak: soaking.soak, keepsRequests: requests != nil)
    } else if subject.target.isEmpty == (subject.network == nil) {
      throw ValidationError(
        subject.network == nil
          ? "there is nothing to load: name a --target, or start a network with --network agents"
          : "--network starts what is loaded: it cannot be combined with --target")
    }
    try soaking.validate(course)
  }

  func run() async throws {
    let signals = ShutdownSignals()
    let folder = try report.map { try ReportFolder($0) }
    if let sweep { return try await run(sweep, signals, folder) }
    let file = try (requests ?? folder?.path(of: "requests.jsonl")).map { try RequestFile($0) }
    try await subject.with(signals, output) { [self] subject in
      try await LoadTarget.with(
        subject.urls, connections: max(connections, course.users ?? 0), timeout: timeout.duration
      ) { targets in
        let streams = try await LoadStream.make(
          targets, course, generation, mix: self.subject.mix)
        for stream in streams {
          output.note("\(stream.workload.name) to \(stream.target.url)")
        }
        output.note(course.text)
        return soaking.soak
          ? try await soak(streams, subject, signals, file, folder)
          : try await load(streams, subject, signals, file, folder)
      }
    }
  }

  private func load(
    _ streams: [LoadStream], _ subject: LoadSubject, _ signals: ShutdownSignals,
    _ file: RequestFile?, _ folder: ReportFolder?
  ) async throws -> LoadOutcome {
    let started = Date()
    let records = LoadRecords()
    let monitor = LoadMonitor(
      streams.map(\.name), seconds: course.loop.seconds, quiet: output.quiet
    ) { news in
      subject.watcher?.events.record("load", .load(news))
    }
    let run = LoadRun(streams, loop: course.loop) { record in
      records.add(record)
      monitor.add(record)
    }
    let elapsed = await run.running(until: signals) {
      await monitor.showing(inFlight: { run.inFlight }) { await run.run() }
    }
    let all = records.sorted
    let warmUp = course.warmUp.value
    let targets = streams.enumerated().map { index, stream in
      LoadReport.Target(
        kind: stream.workload.kind, url: stream.target.url, workload: stream.workload.name,
        share: stream.share,
        figures: LoadFigures(
          streams.count == 1 ? all : all.filter { $0.stream == index }, warmUp: warmUp,
          elapsed: elapsed, goals: slo))
    }
    let result = LoadReport(
      started: started, targets: targets, course: course.json, generation: generation.json,
      goals: slo,
      figures: LoadFigures(all, warmUp: warmUp, elapsed: elapsed, goals: slo),
      history: LoadHistory(
        all, elapsed: elapsed, faults: subject.watcher?.faultBands(from: started) ?? []))
    return LoadOutcome(
      print: { output.result(result.json, text: text(of: result, folder)) },
      failure: CommandFailure.joined(
        result.figures.failure,
        CommandFailure.of {
          try folder?.write(result.json, page: LoadPage.render(result), units: result.units)
        },
        CommandFailure.of {
          try file?.write(all, warmUp: warmUp, targets: streams.map(\.target.url))
        }))
  }

  private func text(of result: LoadReport, _ folder: ReportFolder?) -> String {
    var parts: [String] = []
    if result.targets.count > 1 {
      parts = result.targets.map { target in
        output.style.strong("\(target.workload) to \(target.url)") + "\n"
          + target.figures.text(in: output.style)
      }
      parts.append(output.style.strong("all") + "\n" + result.figures.text(in: output.style))
    } else {
      parts = [result.figures.text(in: output.style)]
    }
    let last = LastLine.text(folder, requests: requests, option: "--report DIR")
    return parts.joined(separator: "\n\n") + "\n" + last
  }
}

extension LoadRun {
  /// Runs work, and sends no more requests once a shutdown is requested.
  func running<R: Sendable>(
    until signals: ShutdownSignals, _ work: () async throws -> R
  ) async rethrows -> R {
    let stopping = Task {
      _ = try await signals.next()
      self.stop()
    }
    defer { stopping.cancel() }
    return try await work()
  }
}

extension LoadFigures {
  /// A request that failed, or that none was sent; nil when all is well.
  var failure: CommandFailure? {
    if sent == 0 {
      return .failed("no request was due after the warm-up before the load was ended")
    }
    return succeeded == sent ? nil : .failed("\(sent - succeeded) of \(sent) requests failed")
  }
}

/// The last line that a command prints: where to look for more.
enum LastLine {
  /// - Parameters:
  ///   - folder: Where the report is; nil where none was written.
  ///   - requests: The file of requests, if there is one.
  ///   - option: What would write a report.
  static func text(_ folder: ReportFolder?, requests: String? = nil, option: String) -> String {
    let file = requests.map { "requests: \($0)\n" } ?? ""
    return file + (folder.map { "report: \($0.page)" } ?? "for plots and JSON: \(option)")
  }
}

/// What is reported of a load: `report.json` of the schema `petals-e2e/load/1`.
struct LoadReport: Sendable {
  static let schema = "petals-e2e/load/1"

  /// One of the targets, and how it did.
  struct Target: Sendable {
    let kind: LoadKind
    let url: String
    let workload: String
    /// Of all requests.
    let share: Double
    let figures: LoadFigures

    var json: JSON {
      var object: JSONObject = [
        "kind": .string(kind.rawValue), "target": .string(url), "workload": .string(workload),
        "share": .decimal(share, places: 4),
      ]
      for member in figures.json.members { object[member.key] = member.value }
      return .object(object)
    }
  }

  let started: Date
  let targets: [Target]
  let course: JSON
  let generation: JSON
  let goals: LoadGoals?
  /// Of all targets together.
  let figures: LoadFigures
  /// All requests, those of the warm-up among them, and the faults.
  let history: LoadHistory

  /// The targets' addresses.
  var target: String { targets.map(\.url).joined(separator: ", ") }
  /// What is sent.
  var workload: String { targets.map(\.workload).joined(separator: ", ") }

  var json: JSON {
    var object: JSONObject = [
      "schema": .string(Self.schema), "started": .string(started.formatted(.iso8601)),
      "command": .array(CommandLine.arguments.map { .string($0) }), "machine": Machine.current.json,
      "version": .string(PetalsE2E.release), "target": .string(target),
      "workload": .string(workload), "course": course, "generation": generation,
      "goals": goals?.json ?? .null,
    ]
    for member in figures.json.members { object[member.key] = member.value }
    object["targets"] = .array(targets.map(\.json))
    object["series"] = .array(figures.series.map(\.json))
    object["faults"] = history.faultsJSON
    object["plots"] = .object(
      JSONObject(
        uniqueMembers: figures.distributions.sorted { $0.key.rawValue < $1.key.rawValue }
          .map { ($0.key.rawValue, $0.value.plotJSON) } + [("requests", history.plotJSON)]))
    return .object(object)
  }
}
