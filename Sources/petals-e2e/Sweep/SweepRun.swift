import Bloom
import Foundation
import PlumiseWire
import Synchronization

extension LoadCommand {
  /// One load after another, as a plan has them.
  ///
  /// A sweep that ends early, because a node does, reports the loads that are done.
  func run(_ plan: SweepPlan, _ signals: ShutdownSignals, _ folder: ReportFolder?) async throws {
    let board = SweepBoard(started: Date(), course: course.json, generation: generation.json)
    let began = ContinuousClock.now
    var ending: CommandFailure?
    do {
      try await sweep(plan, signals, board)
    } catch {
      ending = error as? CommandFailure ?? .failed("\(error)")
    }
    var result = board.report
    // Nothing was measured: what is wrong is all there is to say.
    if let ending, result.rows.isEmpty { throw ending }
    result.duration = ContinuousClock.now - began
    result.failure = signals.received?.rawValue ?? ending?.description
    let unwritten = CommandFailure.of { [result] in
      try folder?.write(result.json, page: SweepPage.render(result), units: result.units)
    }
    output.result(
      result.json,
      text: result.text(in: output.style) + "\n" + LastLine.text(folder, option: "--report DIR"))
    // A request to stop ends nodes as well, and is the cause.
    let cause = signals.received.map { CommandFailure.failed($0.rawValue) } ?? ending
    let failure = CommandFailure.joined(cause ?? result.requestFailure, unwritten)
    if let failure { throw failure }
  }

  private func sweep(
    _ plan: SweepPlan, _ signals: ShutdownSignals, _ board: SweepBoard
  ) async throws {
    if plan.startsNodes {
      let path = try ModelSource(subject.model).folder(quiet: output.quiet).path
      let count = try ModelFolder.checkpoint(path).configuration.blockCount
      let networks = try plan.networks(blockCount: count).map { SweepNodes(blocks: $0) }
      let progress = SweepProgress(
        loads: networks.count * plan.sessions.count, board, quiet: output.quiet)
      defer { progress.finish() }
      for network in networks where signals.received == nil {
        try await network.serving(model: path) { [self] url in
          try await sweep(url, network, plan, signals, board, progress)
        }
      }
    } else {
      let progress = SweepProgress(
        loads: subject.target.count * plan.sessions.count, board, quiet: output.quiet)
      defer { progress.finish() }
      for url in subject.target where signals.received == nil {
        try await sweep(url, nil, plan, signals, board, progress)
      }
    }
  }

  /// All numbers of sessions on one target.
  private func sweep(
    _ url: String, _ nodes: SweepNodes?, _ plan: SweepPlan, _ signals: ShutdownSignals,
    _ board: SweepBoard, _ progress: SweepProgress
  ) async throws {
    var generation = generation
    // Only of streams the times of single tokens are known.
    if nodes != nil { generation.stream = true }
    let seconds = course.duration.value + course.warmUp.value
    for sessions in plan.sessions where signals.received == nil {
      let figures = try await LoadTarget.with(
        [url], connections: sessions, timeout: timeout.duration
      ) { [generation] targets in
        var course = course
        course.users = sessions
        let streams = try await LoadStream.make(targets, course, generation, mix: nil)
        let records = LoadRecords()
        let run = LoadRun(streams, loop: .closed(users: sessions, seconds: seconds)) {
          records.add($0)
        }
        let elapsed = await run.running(until: signals) { await run.run() }
        return LoadFigures(
          records.sorted, warmUp: course.warmUp.value, elapsed: elapsed, goals: slo)
      }
      board.add(
        SweepReport.Row(
          network: nodes?.name ?? url, blocks: nodes?.blocks ?? [], sessions: sessions,
          figures: figures))
      progress.advance()
    }
  }
}

/// The loads of a sweep that are done.
final class SweepBoard: Sendable {
  private let state: Mutex<SweepReport>

  init(started: Date, course: JSON, generation: JSON) {
    state = Mutex(SweepReport(started: started, course: course, generation: generation))
  }

  var report: SweepReport { state.withLock { $0 } }

  func add(_ row: SweepReport.Row) { state.withLock { $0.rows.append(row) } }
}

/// Shows how far a sweep is: its table, which grows in place on a terminal, and a line for each
/// load elsewhere.
private struct SweepProgress: Sendable {
  private let loads: Int
  private let board: SweepBoard
  private let quiet: Bool
  private let table = LiveLines.standardError.section()
  private let bar: ProgressBar

  init(loads: Int, _ board: SweepBoard, quiet: Bool) {
    (self.loads, self.board, self.quiet) = (loads, board, quiet)
    bar = ProgressBar("sweeping", quiet: quiet)
  }

  func advance() {
    let report = board.report
    bar.update(Double(report.rows.count) / Double(loads))
    if quiet { return }
    if LiveLines.standardError.isDrawn {
      table.show(report.lines)
    } else if let row = report.rows.last {
      StandardStream.error.write(
        line: "sweep: \(report.rows.count) of \(loads): \(row.network), \(row.sessions) sessions, "
          + "\(ShortNumber.text(row.throughput)) \(row.unit)")
    }
  }

  func finish() {
    table.end()
    bar.finish()
  }
}
