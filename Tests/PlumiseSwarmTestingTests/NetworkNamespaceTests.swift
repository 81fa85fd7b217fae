import PlumiseSwarmTesting
import Subprocess
import TestSupport
import Testing

@Suite("Network namespaces of a swarm", .timeLimit(.minutes(5)))
struct NetworkNamespaceTests {
  /// Has `ip` do something in a namespace.
  private func ip(_ arguments: String...) async throws -> String {
    let result = try await Subprocess.run(
      .name("ip"), arguments: Arguments(arguments), output: .string(limit: 1 << 16),
      error: .string(limit: 1 << 16))
    try #require(result.terminationStatus == .exited(0), "\(result.standardError)")
    return result.standardOutput
  }

  /// The addresses that nothing from a host reaches.
  private func lost(from host: NetworkNamespaces.Host) async throws -> Set<String> {
    let entries = try await ip("-n", host.name, "neighbour", "show", "nud", "permanent")
    return Set(
      entries.split(separator: "\n").compactMap {
        $0.split(separator: " ").first.map(String.init)
      })
  }

  @Test(
    "A partition that fails amid its changes is completed by the next one, and heals",
    .enabled("network namespaces need Linux, root and iproute2") {
      await NetworkNamespaces.unavailability == nil
    })
  func failure() async throws {
    let namespaces = try await NetworkNamespaces.start()
    do {
      let (first, second) = (try await namespaces.makeHost(), try await namespaces.makeHost())
      let third = try await namespaces.makeHost()
      // Its namespace is gone, which nobody says: what is to be changed in it fails.
      _ = try await ip("netns", "delete", second.name)
      await #expect(throws: NamespaceError.self) {
        try await namespaces.partition(off: [first.name])
      }
      #expect(try await lost(from: first) == [second.address])
      #expect(try await lost(from: third).isEmpty)
      // As after a failure: what was not cut is not joined.
      await namespaces.remove(second)
      try await namespaces.partition(off: [])
      #expect(try await lost(from: third).isEmpty)
      try await namespaces.partition(off: [first.name])
      #expect(try await lost(from: first).contains(third.address))
      #expect(try await lost(from: third) == [first.address])
      // One that comes later is on the side of those that are not cut off.
      let fourth = try await namespaces.makeHost()
      #expect(try await lost(from: fourth) == [first.address])
      try await namespaces.partition(off: [])
      for host in [third, fourth] { #expect(try await lost(from: host).isEmpty) }
      #expect(try await lost(from: first) == [second.address])
    } catch {
      await namespaces.end()
      throw error
    }
    await namespaces.end()
  }
}
