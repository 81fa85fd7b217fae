import ArgumentParser

/// How a load is judged that lasts.
struct SoakOptions: ParsableArguments {
  /// Fewer samples than this have no trend that could be judged.
  private static let leastSamples = 10.0

  @Flag(
    help: """
      Sample memory, descriptors and threads of the processes under load and how latencies drift, \
      and judge whether they grow.
      """)
  var soak = false

  @Option(within: .sampleInterval, help: "With --soak: seconds from sample to sample.")
  var sampleInterval = Seconds(whole: 5)

  @Option(
    within: .growth,
    help: "With --soak: by how many percent memory, descriptors and threads may grow over the soak."
  )
  var allowedGrowth = 5.0

  @Option(
    within: .growth,
    help: "With --soak: by how many percent the median latency may grow over the soak.")
  var allowedDrift = 20.0

  /// - Throws: `ValidationError` for a soak that is too short to be judged.
  func validate(_ course: LoadLoopOptions) throws {
    guard soak else { return }
    let judged = course.loop.seconds - settling(course)
    guard judged >= Self.leastSamples * sampleInterval.value else {
      throw ValidationError(
        "--soak needs \(Int(Self.leastSamples)) samples after the warm-up to judge: choose a "
          + "longer --duration or a shorter --sample-interval")
    }
  }

  /// The seconds at first that are not judged, because caches fill: the warm-up, or a tenth of the
  /// soak.
  func settling(_ course: LoadLoopOptions) -> Double {
    course.warmUp.value > 0 ? course.warmUp.value : course.loop.seconds / 10
  }
}

extension OptionLimits where Self == Times {
  /// From sample to sample of a soak.
  static var sampleInterval: Self { Times("the time from sample to sample", from: 0.1) }
}

extension OptionLimits where Self == RealNumbers<Double> {
  /// How much something may grow.
  static var growth: Self { RealNumbers("a growth in percent", 0...1000) }
}
