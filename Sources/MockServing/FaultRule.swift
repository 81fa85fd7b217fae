/// A fault with the requests that it meets: what a ``FaultScript`` consists of, as a value.
public struct FaultRule: Sendable {
  /// What goes wrong.
  public let fault: Fault
  /// How many requests it meets; nil for all of them.
  public let times: Int?
  /// How many requests that it is meant for it lets pass first.
  public let passes: Int
  /// How likely it meets each of them after that.
  public let likelihood: Double
  let accepts: @Sendable (WebRequest) -> Bool

  /// Makes a rule; by default the fault meets the next request, whichever it is.
  /// - Parameters:
  ///   - fault: what goes wrong.
  ///   - times: at least 1; nil for every request.
  ///   - passes: zero or more.
  ///   - likelihood: above 0 and up to 1.
  ///   - predicate: which requests it is meant for.
  public init(
    _ fault: Fault, times: Int? = 1, after passes: Int = 0, likelihood: Double = 1,
    where predicate: @escaping @Sendable (WebRequest) -> Bool = { _ in true }
  ) {
    precondition(times.map { $0 > 0 } ?? true, "a fault is used at least once")
    precondition(passes >= 0, "a fault lets \(passes) requests pass")
    precondition(likelihood > 0 && likelihood <= 1, "a likelihood of \(likelihood)")
    self.fault = fault
    self.times = times
    self.passes = passes
    self.likelihood = likelihood
    accepts = predicate
  }
}
