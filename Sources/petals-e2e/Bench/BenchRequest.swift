import PlumiseWire
import Synchronization

/// A request of a benchmark: a line of its `requests.jsonl`.
struct BenchRequest: Sendable {
  /// Which of the figure's runs it was part of, from 0 on.
  let run: Int
  /// When it was sent, in milliseconds since the run's first.
  let from: Double
  /// How long it took.
  let milliseconds: Double

  /// - Parameter row: The figure that it was made for.
  func json(of row: BenchRow) -> JSON {
    [
      "group": .string(row.group), "name": .string(row.name),
      "model": row.model.map(JSON.string) ?? .null, "dtype": row.dtype.map(JSON.string) ?? .null,
      "run": .integer(run), "from_ms": .decimal(from, places: 3),
      "milliseconds": .decimal(milliseconds, places: 3),
    ]
  }
}

/// Notes the requests of a figure while they are made.
final class BenchRequests: Sendable {
  private struct State {
    var requests: [BenchRequest] = []
    /// When the first request of each run was sent.
    var beginnings: [Int: ContinuousClock.Instant] = [:]
  }

  private let state = Mutex(State())
  private let clock = ContinuousClock()

  /// Those that have been answered, by run and by when they were sent.
  var all: [BenchRequest] {
    state.withLock { $0.requests }.sorted { ($0.run, $0.from) < ($1.run, $1.from) }
  }

  /// Makes a request, and notes when that was and how long it took.
  func noting<Answer>(run: Int, _ request: () async throws -> Answer) async rethrows -> Answer {
    let sent = clock.now
    let beginning = state.withLock { state in
      state.beginnings[run] = state.beginnings[run] ?? sent
      return state.beginnings[run] ?? sent
    }
    let answer = try await request()
    let noted = BenchRequest(
      run: run, from: (sent - beginning) / .milliseconds(1),
      milliseconds: (clock.now - sent) / .milliseconds(1))
    state.withLock { $0.requests.append(noted) }
    return answer
  }
}
