import Foundation
import NetworkWatch

extension LoadCommand {
  /// A load that lasts, whose processes and latencies are sampled and judged.
  func soak(
    _ streams: [LoadStream], _ subject: LoadSubject, _ signals: ShutdownSignals,
    _ file: RequestFile?, _ folder: ReportFolder?
  ) async throws -> LoadOutcome {
    let started = Date()
    let (processes, warmUp) = (Self.processes(of: streams, subject), course.warmUp.value)
    if processes.isEmpty {
      output.note("no process of this machine was found at the targets: latencies alone are judged")
    }
    let recorder = SoakRecorder(targets: streams.count, processes: processes, warmUp: warmUp)
    let monitor = LoadMonitor(
      streams.map(\.name), seconds: course.loop.seconds, quiet: output.quiet
    ) { news in
      subject.watcher?.events.record("load", .load(news))
    }
    let urls = streams.map(\.target.url)
    let run = LoadRun(streams, loop: course.loop) { record in
      recorder.add(record)
      monitor.add(record)
      file?.append(record, warmUp: warmUp, targets: urls)
    }
    let elapsed = await run.running(until: signals) {
      await monitor.showing(inFlight: { run.inFlight }) {
        await Self.sampling(recorder, each: soaking.sampleInterval.duration) { await run.run() }
      }
    }
    let result = SoakReport(
      started: started, course: course.json, seconds: elapsed,
      settled: soaking.settling(course),
      targets: zip(streams, recorder.targets).map { stream, counts in
        SoakReport.Target(
          url: stream.target.url, workload: stream.workload.name, counts: counts)
      },
      processes: recorder.processes, series: series(of: recorder, streams))
    return LoadOutcome(
      print: {
        output.result(
          result.json,
          text: result.text(in: output.style) + "\n"
            + LastLine.text(folder, option: "--report DIR"))
      },
      failure: CommandFailure.joined(
        result.failures.isEmpty
          ? nil : CommandFailure.failed(result.failures.joined(separator: "; ")),
        CommandFailure.of {
          try folder?.write(result.json, page: SoakPage.render(result), units: result.units)
        }, CommandFailure.of { try file?.close() }))
  }

  /// Those of a network that the load started, or those that listen at the targets.
  private static func processes(
    of streams: [LoadStream], _ subject: LoadSubject
  ) -> [(name: String, id: Int32)] {
    let found =
      subject.processes.isEmpty
      ? streams.compactMap { stream in
        ListeningProcess.id(url: stream.target.url).map { (stream.name, $0) }
      } : subject.processes
    // Elsewhere than on Linux nothing is known of a process.
    return found.filter { ProcessSample(process: $0.id) != nil }
  }

  /// Runs work, and samples at once and then in each interval.
  private static func sampling<R: Sendable>(
    _ recorder: SoakRecorder, each interval: Duration, _ work: () async -> R
  ) async -> R {
    let clock = ContinuousClock()
    let start = clock.now
    recorder.sample(at: 0)
    let sampling = Task {
      for tick in 1... {
        try await clock.sleep(until: start + interval * tick)
        recorder.sample(at: (clock.now - start) / .seconds(1))
      }
    }
    defer { sampling.cancel() }
    return await work()
  }

  private func series(of recorder: SoakRecorder, _ streams: [LoadStream]) -> [SoakSeries] {
    let settled = soaking.settling(course)
    let (growth, drift) = (soaking.allowedGrowth, soaking.allowedDrift)
    var found: [SoakSeries] = []
    for process in recorder.processes {
      func add(
        _ measure: String, _ unit: String, least: Double, _ value: (ProcessSample) -> Double
      ) {
        found.append(
          SoakSeries(
            process.name, measure, unit: unit, process.samples.map { ($0.time, value($0.sample)) },
            settled: settled, .init(percent: growth, least: least)))
      }
      add("memory", "MiB", least: 1) { $0.anonymousMebibytes }
      // A pool has as many connections as requests were on their way at once, which rises by chance.
      add("descriptors", "", least: 8) { Double($0.descriptors) }
      add("threads", "", least: 2) { Double($0.threads) }
    }
    for (stream, target) in zip(streams, recorder.targets) {
      found.append(
        SoakSeries(
          stream.name, "p50", unit: "ms", target.medians, settled: settled,
          .init(percent: drift, least: 1)))
      found.append(
        SoakSeries(stream.name, "p99", unit: "ms", target.p99s, settled: settled, nil))
    }
    return found
  }
}
