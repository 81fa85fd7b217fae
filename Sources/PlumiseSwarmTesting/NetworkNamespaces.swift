import AsyncPrimitives
import Foundation
import Subprocess
import Synchronization

#if canImport(System)
  import System
#else
  import SystemPackage
#endif

/// Network namespaces of this machine that a bridge joins, each a host with an address of its own.
///
/// The bridge is in a namespace too, so that nothing of it is among the machine's own interfaces, and
/// tests that run at once have the same addresses without meeting. Needs Linux, root and iproute2.
package final class NetworkNamespaces: Sendable {
  /// A namespace with a network interface, `eth0`, on the bridge.
  package struct Host: Hashable, Sendable {
    /// The namespace's name.
    package let name: String
    /// Its IPv4 address.
    package let address: String

    /// What runs a program there.
    package var launcher: [String] { ["ip", "netns", "exec", name] }
  }

  private struct State: Sendable {
    var hosts: [String: Host] = [:]
    /// Those that are to be cut off from the others, by name.
    var cutOff: Set<String> = []
    /// The ways that are cut: what the namespaces have, also after a change that failed amid it.
    var cuts: Set<Way> = []
    var count = 0
  }

  /// From one host to another.
  private struct Way: Hashable, Sendable {
    let from, to: Host
  }

  /// A hardware address that no interface has: what is sent there is lost in silence.
  private static let nowhere = "02:00:00:00:00:00"
  private static let folder = "/run/netns"
  private static let purpose = "plumise"
  private static let networks = Mutex(0)

  private let prefix: String
  private let state = Mutex(State())
  /// Changes of hosts and of their ways, one at a time.
  private let changes = AsyncLock()

  private init(prefix: String) { self.prefix = prefix }

  private var hub: String { "\(prefix)-hub" }

  /// Begins with a bridge and no host.
  ///
  /// - Throws: ``NamespaceError``.
  package static func start() async throws -> NetworkNamespaces {
    await removeAbandoned()
    let number = networks.withLock { networks in
      networks += 1
      return networks
    }
    let namespaces = NetworkNamespaces(
      prefix: "\(purpose)-\(ProcessInfo.processInfo.processIdentifier)-\(number)")
    do {
      try await run(["netns add \(namespaces.hub)"])
      try await run(
        ["link add bridge type bridge", "link set bridge up"], in: namespaces.hub)
    } catch {
      await namespaces.end()
      throw error
    }
    return namespaces
  }

  /// Adds a host.
  ///
  /// - Throws: ``NamespaceError``; there is no room for more than 250 in the life of a network.
  package func makeHost() async throws -> Host {
    try await changes.withLock {
      let number = state.withLock { state in
        state.count += 1
        return state.count
      }
      guard number <= 250 else { throw NamespaceError("250 hosts are the most in one network") }
      let host = Host(name: "\(prefix)-\(number)", address: "10.77.0.\(number)")
      try await Self.run(["netns add \(host.name)"])
      do {
        try await Self.run(
          [
            "link add port\(number) type veth peer name eth0 netns \(host.name)",
            "link set port\(number) master bridge", "link set port\(number) up",
          ], in: hub)
        try await Self.run(
          [
            "link set lo up", "address add \(host.address)/24 dev eth0", "link set eth0 up",
          ], in: host.name)
        let (hosts, cutOff) = state.withLock { state in
          state.hosts[host.name] = host
          return (state.hosts.values, state.cutOff)
        }
        for other in hosts where cutOff.contains(other.name) {
          for way in Self.ways(between: host, other) { try await cut(way) }
        }
      } catch {
        await delete(host)
        throw error
      }
      return host
    }
  }

  /// Removes a host, whose programs have ended.
  package func remove(_ host: Host) async {
    // Also when the task is cancelled: nobody else removes it.
    await changes.lock()
    defer { changes.unlock() }
    await delete(host)
  }

  /// Removes a host while the changes are locked.
  private func delete(_ host: Host) async {
    state.withLock { state in
      state.hosts[host.name] = nil
      state.cutOff.remove(host.name)
      state.cuts = state.cuts.filter { $0.from != host && $0.to != host }
    }
    // One that is not there any more is removed; what else stays, the next process takes away.
    try? await Self.run(["netns delete \(host.name)"])
  }

  /// Cuts hosts off from all others, in place of those that were.
  ///
  /// Where it fails, some ways are changed and others not; the next change goes on from there.
  ///
  /// - Throws: ``NamespaceError``.
  package func partition(off names: Set<String>) async throws {
    try await changes.withLock {
      let hosts = state.withLock { state in
        state.cutOff = names
        return state.hosts.values.sorted { $0.name < $1.name }
      }
      for host in hosts {
        for other in hosts where host.name < other.name {
          // Not what was asked for before: that may have failed.
          let isToBeCut = names.contains(host.name) != names.contains(other.name)
          for way in Self.ways(between: host, other) where isToBeCut != isCut(way) {
            if isToBeCut { try await cut(way) } else { try await join(way) }
          }
        }
      }
    }
  }

  /// Ends all of it.
  package func end() async {
    let hosts = state.withLock { Array($0.hosts.values) }
    for host in hosts { await remove(host) }
    // What stays, the next process takes away.
    try? await Self.run(["netns delete \(hub)"])
  }

  private static func ways(between first: Host, _ second: Host) -> [Way] {
    [Way(from: first, to: second), Way(from: second, to: first)]
  }

  private func isCut(_ way: Way) -> Bool { state.withLock { $0.cuts.contains(way) } }

  private func cut(_ way: Way) async throws {
    try await Self.run(
      ["neighbour replace \(way.to.address) lladdr \(Self.nowhere) nud permanent dev eth0"],
      in: way.from.name)
    state.withLock { _ = $0.cuts.insert(way) }
  }

  private func join(_ way: Way) async throws {
    try await Self.run(["neighbour delete \(way.to.address) dev eth0"], in: way.from.name)
    state.withLock { _ = $0.cuts.remove(way) }
  }

  // What this machine can do.

  /// Why this machine has no namespaces for tests; nil where it has.
  package static var unavailability: String? {
    get async { await probe.value }
  }

  private static let probe = Task { () -> String? in
    guard geteuid() == 0 else { return "network namespaces need root" }
    do {
      let namespaces = try await start()
      do {
        _ = try await namespaces.makeHost()
      } catch {
        await namespaces.end()
        throw error
      }
      await namespaces.end()
      return nil
    } catch {
      return "network namespaces need iproute2 and the right to make them: \(error)"
    }
  }

  /// Removes the namespaces of processes that ended without doing so.
  private static func removeAbandoned() async {
    // Without the folder there never was a namespace.
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    for name in names where name.hasPrefix("\(purpose)-") {
      let parts = name.split(separator: "-")
      guard parts.count == 3, let process = Int32(parts[1]), kill(process, 0) != 0, errno == ESRCH
      else { continue }
      try? await run(["netns delete \(name)"])
    }
  }

  /// Has `ip` do things, one after another, until one fails.
  private static func run(_ commands: [String], in namespace: String? = nil) async throws {
    for command in commands {
      let place = namespace.map { ["-n", $0] } ?? []
      let words = command.split(separator: " ").map(String.init)
      do {
        // As arguments, not as a batch on standard input: where the namespace is gone, `ip` ends without
        // having read it, and Subprocess ends this process when its pipe breaks.
        let result = try await Subprocess.run(
          .name("ip"), arguments: Arguments(place + words), output: .discarded,
          error: .string(limit: 1 << 16))
        guard case .exited(0) = result.terminationStatus else {
          throw NamespaceError("ip \(command): \(result.standardError)")
        }
      } catch let error as NamespaceError {
        throw error
      } catch {
        throw NamespaceError("ip cannot be run: \(error)")
      }
    }
  }
}

/// Why network namespaces could not be made or changed.
public struct NamespaceError: Error, Hashable, Sendable, CustomStringConvertible {
  /// One line with what `ip` says.
  public let description: String

  init(_ description: String) {
    self.description = description.trimmingCharacters(in: .whitespacesAndNewlines)
  }
}
