import AsyncPrimitives
import Testing
import petals_e2e

@Suite("Trend of a soak")
struct TrendTests {
  /// Points five seconds apart, with what scipy 1.17's `stats.theilslopes(y, x, 0.95)` makes of them.
  static let cases: [(values: [Double], slope: Double, low: Double, high: Double)] = [
    (
      [
        100.0, 100.25, 100.06, 99.85, 100.17, 100.0, 100.63, 101.37, 100.55, 100.59, 101.24, 101.28,
        101.25, 100.83, 101.39, 101.85, 100.93, 101.47, 100.85, 101.26, 101.08, 101.98, 101.57,
        102.44,
      ], 0.015224999999999902, 0.010799999999999983, 0.02129411764705885
    ),
    (
      [
        13, 12, 12, 13, 14, 13, 14, 14, 14, 13, 13, 13, 12, 13, 13, 12, 14, 12, 12, 12, 14, 14, 14,
        12,
      ], 0, 0, 0
    ),
    (
      [
        49.19, 49.97, 50.88, 49.42, 500.0, 50.11, 50.06, 48.77, 50.08, 51.36, 48.45, 50.86, 50.12,
        500.0, 52.0, 50.76, 48.8, 50.07, 50.58, 49.81, 50.68, 49.93, 500.0, 51.44,
      ], 0.008133333333333301, -0.003999999999999994, 0.025
    ),
    ([Double](repeating: 17, count: 24), 0, 0, 0),
  ]

  @Test("Slope and interval are those that scipy computes", arguments: cases)
  func golden(_ values: [Double], _ slope: Double, _ low: Double, _ high: Double) throws {
    let points = values.enumerated().map { (time: 5 * Double($0), value: $1) }
    let trend = try #require(Trend(points))
    #expect(abs(trend.slope - slope) < 1e-12)
    #expect(abs(trend.interval.lowerBound - low) < 1e-12, "\(trend.interval)")
    #expect(abs(trend.interval.upperBound - high) < 1e-12, "\(trend.interval)")
    // The order of the points does not matter.
    #expect(Trend(points.reversed()) == trend)
  }

  @Test("A line's slope is found exactly, of a few points and of more than are compared")
  func line() throws {
    for count in [3, 10, 400, 401, 5000] {
      let trend = try #require(Trend((0..<count).map { (Double($0), 7 + 0.25 * Double($0)) }))
      #expect(abs(trend.slope - 0.25) < 1e-9 && trend.interval.contains(trend.slope), "\(count)")
    }
  }

  @Test("Two points, and points of one time, have no trend")
  func none() {
    #expect(Trend([(0, 1), (1, 2)]) == nil)
    #expect(Trend([(1, 1), (1, 2), (1, 3)]) == nil)
  }
}

@Suite("Knee of a sweep")
struct KneeTests {
  /// What kneed 0.8 finds with S = 1 (`KneeLocator(x, y, S=1.0, curve="concave", direction="increasing")`); the
  /// first is figure 2 of the paper.
  static let cases: [(x: [Double], y: [Double], index: Int?)] = [
    (
      (0..<10).map { Double($0) / 9 }, (0..<10).map { -1 / (Double($0) / 9 + 0.1) + 5 }, 2
    ),
    (
      [1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16],
      [100, 198, 290, 370, 420, 440, 448, 452, 455, 456, 457, 457], 4
    ),
    ([1, 2, 4, 8, 16], [30, 58, 100, 130, 135], 3),
    ([1, 2, 3, 4, 5, 6], [10, 20, 30, 40, 50, 60], nil),
    ([1, 2, 3, 4, 5, 6, 7, 8], [50, 95, 130, 150, 155, 150, 140, 130], 3),
  ]

  @Test("The knee is where Kneedle's authors and another implementation find it", arguments: cases)
  func golden(_ x: [Double], _ y: [Double], _ index: Int?) {
    #expect(Knee.index(zip(x, y).map { ($0, $1) }) == index)
  }

  @Test("Two points, and a curve that does not rise, have no knee")
  func none() {
    #expect(Knee.index([(1, 1), (2, 2)]) == nil)
    #expect(Knee.index([(1, 5), (2, 5), (3, 5)]) == nil)
  }
}

@Suite("Histogram of latencies")
struct LatencyHistogramTests {
  @Test("Percentiles are within 0.1 % of the exact ones, from microseconds to an hour")
  func precision() throws {
    var chance = SeededGenerator(seed: 3)
    var histogram = LatencyHistogram()
    // Spread evenly over the powers of ten.
    let values = (0..<20_000).map { _ in 0.001 * pow10(9.25 * chance.unit()) }
    for value in values { histogram.record(value) }
    let sorted = values.sorted()
    for share in [0.01, 0.1, 0.5, 0.9, 0.99, 0.999, 1] {
      let exact = sorted[Int((share * 20_000).rounded(.up)) - 1]
      let found = try #require(histogram.percentile(share))
      // A microsecond is the smallest difference there is.
      #expect(abs(found - exact) <= max(0.001 * exact, 0.0006), "\(share): \(found), \(exact)")
    }
    #expect(histogram.count == 20_000 && histogram.maximum == sorted.last)
  }

  private func pow10(_ exponent: Double) -> Double {
    (0..<Int(exponent)).reduce(1) { value, _ in value * 10 }
      * (1 + 9 * (exponent - exponent.rounded(.down)))
  }

  @Test("Two histograms together are that of all times; none has no percentile")
  func sum() {
    var (all, first, second) = (LatencyHistogram(), LatencyHistogram(), LatencyHistogram())
    #expect(all.percentile(0.5) == nil)
    for value in 1...100 {
      all.record(Double(value))
      if value % 3 == 0 { first.record(Double(value)) } else { second.record(Double(value)) }
    }
    first.add(second)
    for share in [0.1, 0.5, 0.99, 1] { #expect(first.percentile(share) == all.percentile(share)) }
    #expect(first.maximum == 100)
    // Longer than an hour counts as an hour, and the maximum is what it is.
    first.record(1e9)
    #expect(first.maximum == 1e9)
  }
}

@Suite("Lengths of a load's generations")
struct LengthDistributionTests {
  private func draw(_ text: String, _ count: Int = 20_000) throws -> [Double] {
    let lengths = try #require(LengthDistributionLimits("a length").value(text))
    var chance = SeededGenerator(seed: 11)
    return (0..<count).map { _ in Double(lengths.draw(&chance)) }
  }

  private func mean(_ values: [Double]) -> Double { values.reduce(0, +) / Double(values.count) }

  @Test("Each distribution has its mean and its spread")
  func moments() throws {
    #expect(try Set(draw("7")) == [7])
    let uniform = try draw("uniform:10-30")
    #expect(uniform.min() == 10 && uniform.max() == 30 && abs(mean(uniform) - 20) < 0.2)
    let normal = try draw("normal:200,20")
    #expect(abs(mean(normal) - 200) < 1)
    let variance = mean(normal.map { ($0 - 200) * ($0 - 200) })
    #expect(abs(variance.squareRoot() - 20) < 0.6)
    // Half is below the median, and its mean is exp(σ²/2) times it.
    let lognormal = try draw("lognormal:64,0.5")
    #expect(abs(Double(lognormal.count { $0 <= 64 }) / 20_000 - 0.5) < 0.03)
    #expect(abs(mean(lognormal) / 64 - 1.1331) < 0.02)
  }

  @Test("What lies beyond the bounds is cut to them")
  func bounds() throws {
    let wide = try draw("normal:100,4000")
    #expect(wide.min() == 1 && wide.max() == 4096)
  }

  @Test(
    "What is no distribution is refused",
    arguments: [
      "", "0", "4097", "-1", "1.5", "uniform:", "uniform:5", "uniform:9-5", "uniform:0-5",
      "normal:5", "normal:0,1", "normal:5,-1", "normal:nan,1", "lognormal:64,11", "poisson:5",
      "uniform:1-2-3", "normal:1,2,3", "8:",
    ])
  func refusals(_ text: String) {
    #expect(LengthDistributionLimits("a length").value(text) == nil)
  }

  @Test(
    "A distribution is spelled as it was given",
    arguments: [
      "8", "uniform:4-16", "normal:64,16", "lognormal:64,0.5",
    ])
  func spelling(_ text: String) {
    #expect(LengthDistributionLimits("a length").value(text)?.spelling == text)
  }
}

@Suite("Turns and plans of a load")
struct LoadPlanTests {
  @Test("Turns keep to their weights at every moment")
  func turns() {
    var turns = WeightedTurns([5, 1, 1])
    // nginx's own example: a a b a c a a.
    #expect((0..<7).map { _ in turns.next() } == [0, 0, 1, 0, 2, 0, 0])
    var shares = WeightedTurns([0.7, 0.2, 0.1])
    var counts = [0, 0, 0]
    for number in 1...1000 {
      counts[shares.next()] += 1
      #expect(abs(Double(counts[0]) - 0.7 * Double(number)) < 1.5)
    }
    #expect(counts == [700, 200, 100])
  }

  @Test(
    "Sweeps are read, and what is none is refused",
    arguments: [
      ("sessions=1-3", [], [], [1, 2, 3]), ("nodes=2", [2], [], [1]),
      (
        "nodes=1-2,splits=6/18,18/6,sessions=8,1,2-3", [1, 2], [[6, 18], [18, 6]], [1, 2, 3, 8]
      ),
    ] as [(String, [Int], [[Int]], [Int])])
  func sweeps(_ text: String, _ nodes: [Int], _ splits: [[Int]], _ sessions: [Int]) {
    let plan = SweepPlanLimits().value(text)
    #expect(plan?.nodes == nodes && plan?.splits == splits && plan?.sessions == sessions)
  }

  @Test(
    "What is no sweep is refused",
    arguments: [
      "", "1", "nodes", "nodes=", "nodes=0", "nodes=3-1", "nodes=1-257", "sessions=1025", "users=1",
      "splits=6//18", "splits=0/24", "nodes=1=2", "nodes=1,1", "nodes=1-256,sessions=1-1024",
      "nodes=+1",
    ])
  func noSweep(_ text: String) { #expect(SweepPlanLimits().value(text) == nil) }

  @Test(
    "What is no mix is refused",
    arguments: ["", "oracle", "oracle=", "oracle=0", "oracle=-1", "x=1", "oracle=1,oracle=2"])
  func noMix(_ text: String) { #expect(LoadMixLimits().value(text) == nil) }
}
