import PlumiseWire

/// Sends requests at a steady rate, whatever becomes of those before.
///
/// A request's latency counts from the moment at which it was due, so that a service that stands
/// still is not forgiven the requests that waited for it meanwhile.
struct LoadRun: Sendable {
  /// Requests on their way beyond this are not sent but counted as failures.
  static let mostInFlight = 20_000

  let target: LoadTarget
  let work: any LoadWork
  /// Requests a second.
  let rate: Double
  let count: Int
  let tally = LoadTally()

  /// Sends all, and waits for the last answer; a cancelled task sends no more.
  /// - Parameter progress: told of the share that was sent.
  func run(progress: @Sendable (Double) -> Void) async -> LoadReport {
    let clock = ContinuousClock()
    let start = clock.now
    await withDiscardingTaskGroup { group in
      for index in 0..<count {
        let due = start + .seconds(Double(index) / rate)
        do {
          if clock.now < due { try await clock.sleep(until: due) }
        } catch {
          return
        }
        tally.send()
        progress(Double(index + 1) / Double(count))
        guard tally.inFlight <= Self.mostInFlight else {
          tally.end(after: .zero, failure: "not sent: \(Self.mostInFlight) were on their way")
          continue
        }
        group.addTask { await send(index, due: due, clock) }
      }
    }
    return tally.report(elapsed: clock.now - start)
  }

  private func send(_ index: Int, due: ContinuousClock.Instant, _ clock: ContinuousClock) async {
    let failure: String?
    do {
      let answer = try await target.send(try work.request(index))
      failure = work.refusal(status: answer.status, body: answer.body)
    } catch {
      failure = "\(error)".onOneLine
    }
    tally.end(after: clock.now - due, failure: failure)
  }
}
