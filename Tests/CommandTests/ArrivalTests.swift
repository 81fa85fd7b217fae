import Testing
import petals_e2e

@Suite("Arrivals of a load")
struct ArrivalTests {
  private func times(
    _ arrivals: Arrivals, _ stages: [(Double, Double, Double)], shape: Double = 1, seed: UInt64 = 7
  ) -> [Double] {
    let stages = stages.map { LoadStage(from: $0.0, to: $0.1, seconds: $0.2) }
    return Array(ArrivalTimes(arrivals, stages, shape: shape, seed: seed))
  }

  @Test("Constant arrivals are even, and as many as rate times duration")
  func constant() {
    let times = times(.constant, [(100, 100, 0.5)])
    #expect(times.count == 50)
    for (index, time) in times.enumerated() { #expect(abs(time - Double(index) / 100) < 1e-9) }
  }

  @Test("While the rate rises in a line, arrivals follow its integral, over the stages' bounds")
  func ramp() {
    let times = times(.constant, [(0, 100, 10), (100, 100, 1), (100, 0, 2)])
    #expect(times.count == 500 + 100 + 100)
    // The k-th is due when 5 t² of them are.
    for (index, time) in times.prefix(500).enumerated() {
      #expect(abs(time - (Double(index) / 5).squareRoot()) < 1e-9)
    }
    #expect(abs(times[500] - 10) < 1e-9 && abs(times[550] - 10.5) < 1e-9)
    #expect(times.last.map { $0 < 13 } == true && zip(times, times.dropFirst()).allSatisfy(<))
  }

  /// The coefficient of variation of exponential times is 1, of gamma times 1/√shape.
  @Test(
    "Times between arrivals have the mean and the spread of their distribution",
    arguments: [
      (Arrivals.poisson, 1.0, 1.0), (.gamma, 0.25, 2.0), (.gamma, 1.0, 1.0), (.gamma, 4.0, 0.5),
    ])
  func spread(_ arrivals: Arrivals, _ shape: Double, _ variation: Double) {
    let times = times(arrivals, [(1000, 1000, 100)], shape: shape)
    // Five deviations of the count around its mean.
    #expect(abs(Double(times.count) - 100_000) < 5 * variation * 316.3)
    let gaps = zip(times, times.dropFirst()).map { $1 - $0 }
    let mean = gaps.reduce(0, +) / Double(gaps.count)
    let variance = gaps.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(gaps.count)
    #expect(abs(variance.squareRoot() / mean - variation) < 0.05 * variation)
  }

  @Test("The same seed gives the same arrivals, another one others")
  func seeds() {
    let stages = [(100.0, 100.0, 1.0)]
    #expect(times(.poisson, stages) == times(.poisson, stages))
    #expect(times(.poisson, stages) != times(.poisson, stages, seed: 8))
  }

  @Test(
    "Stages are read, and what is none is refused",
    arguments: [
      ("50:10", [[50, 50, 10]]), ("0-200:2.5,200:1", [[0, 200, 2.5], [200, 200, 1]]), ("x", nil),
      ("50", nil), ("50:", nil), ("50:0", nil), ("-1:5", nil), ("1-2-3:4", nil), ("200000:1", nil),
      ("0:5", nil), ("5:1,", nil),
    ] as [(String, [[Double]]?)])
  func stages(_ text: String, _ expected: [[Double]]?) {
    let stages = LoadStagesLimits().value(text)?.stages.map { [$0.from, $0.to, $0.seconds] }
    #expect(stages == expected)
  }
}
