import PetalsNode
import Testing

@Suite("Connections to peers", .timeLimit(.minutes(5)))
struct ConnectionTests {
  /// Nobody listens there.
  private let peer: PeerAddress

  private struct Refusal: Error {}

  init() throws { peer = try PeerAddress(host: "127.0.0.1", port: 1) }

  @Test("A body that ends before its connections began gives what it gives")
  func shortBody() async throws {
    for number in 0..<100 {
      let given = try await withGRPCTransports([peer, peer]) { _ in number }
      #expect(given == number)
    }
  }

  @Test("A body that throws before its connections began throws what it throws")
  func shortThrow() async {
    for _ in 0..<100 {
      await #expect(throws: Refusal.self) {
        try await withGRPCTransports([peer, peer]) { _ in throw Refusal() }
      }
    }
  }
}
