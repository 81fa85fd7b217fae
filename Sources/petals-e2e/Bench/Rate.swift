/// Something done so many times, in its time.
enum Rate {
  /// - Returns: how many times a second.
  static func measure(_ count: Int, _ work: () async throws -> Void) async throws -> Double {
    let clock = ContinuousClock()
    let began = clock.now
    try await work()
    return Double(count) / ((clock.now - began) / .seconds(1))
  }
}
