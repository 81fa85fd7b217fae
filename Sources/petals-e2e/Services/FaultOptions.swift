import ArgumentParser
import MockServing

/// The options of a service's second port, on which programs order faults.
struct FaultOptions: ParsableArguments {
  @Option(
    within: .port,
    help: "A second port, on 127.0.0.1 alone, for orders of faults; 0 takes any free one.")
  var adminPort: Int?

  @Option(within: .seed, help: "What decides chance where a fault is ordered that is only likely.")
  var faultSeed: UInt64 = 0

  /// Runs a body while the administration is served, if it was asked for.
  func withAdministration(
    _ administration: FaultAdministration, of name: ServiceEvent.Service,
    as event: ServiceEvent.Service, _ service: ServiceOptions, _ body: () async throws -> Void
  ) async throws {
    guard let adminPort else { return try await body() }
    try await administration.withServer(of: name.rawValue, port: adminPort) {
      address async throws in
      service.announce(.listening(event, url: address.url))
      try await body()
    }
  }
}
