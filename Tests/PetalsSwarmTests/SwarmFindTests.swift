import Foundation
import PetalsSwarm
import PlumiseTesting
import SwiftProtobuf
import Synchronization
import TestSupport
import Testing

@Suite(
  "Nodes of a hash table that refuse", .enabled(if: Daemon.isThere, Daemon.reason),
  .timeLimit(.minutes(5)))
struct SwarmFindTests {
  private let keys = (0..<40).map { DHTID(of: .int(Int64($0))) }

  /// How many keys each request had, in the order in which they came.
  private final class Requests: Sendable {
    private let counts = Mutex([Int]())

    var all: [Int] { counts.withLock { $0 } }

    func add(_ count: Int) { counts.withLock { $0.append(count) } }
    func removeAll() { counts.withLock { $0 = [] } }
  }

  /// Looks keys up at one node.
  ///
  /// - Parameters:
  ///   - clock: Of the peer that asks; its time stands still unless a test moves it.
  ///   - answer: What the node answers to a request, for each of its keys.
  /// - Returns: The keys that were found, and how many keys each request had.
  private func lookUp(
    _ keys: ArraySlice<DHTID>, on clock: any Clock<Duration> = ManualClock(),
    _ answer: @escaping @Sendable ([DHTID]) throws -> [[UInt8]]
  ) async throws -> (found: Set<DHTID>, requests: [Int]) {
    try await withQuietPeer { node in
      let requests = Requests()
      let until = Date().timeIntervalSince1970 + 600
      let joining = DHTID(of: .string("not among the keys"))
      try await node.handle("DHTProtocol.rpc_find") { _, bytes in
        let request = try SwarmFindRequest(serializedBytes: bytes)
        requests.add(request.keys.count)
        var response = SwarmFindResponse()
        let asked = request.keys.map { DHTID(bytes: $0) ?? joining }
        for value in try answer(asked) {
          var result = SwarmFindResult()
          result.type = .foundRegular
          result.value = Data(value)
          result.expirationTime = until
          response.results.append(result)
        }
        return try response.serializedBytes()
      }
      let configuration = SwarmConfiguration(initialPeers: node.addresses, membership: .client)
      return try await withSwarmPeer(configuration, clock: clock, logger: .quiet) { peer in
        requests.removeAll()
        let found = try await peer.hashTable.records(Array(keys))
        return (Set(found.keys), requests.all)
      }
    }
  }

  @Test("A node that refuses is asked once for each group of keys, and for no part of one")
  func refusal() async throws {
    let (found, requests) = try await lookUp(keys[...]) { asked in
      guard asked.count == 1 else { throw SwarmError(.refused, "not today") }
      return [[1]]
    }
    #expect(found.isEmpty)
    #expect(requests.sorted() == [8, 16, 16])
  }

  @Test("A group that a node refuses leaves the others found")
  func refusedGroup() async throws {
    let refused = keys[3]
    let (found, requests) = try await lookUp(keys[...]) { asked in
      guard !asked.contains(refused) else { throw SwarmError(.refused, "not that one") }
      return asked.map { _ in [1] }
    }
    #expect(found == Set(keys[16...]))
    #expect(requests.sorted() == [8, 16, 16])
  }

  @Test("A record that is too long for an answer by itself is not found, and all others are")
  func longRecord() async throws {
    let long = keys[5]
    let (found, requests) = try await lookUp(keys[..<16]) { asked in
      asked.map { $0 == long ? Array(repeating: 1, count: 5 << 20) : [1] }
    }
    #expect(found == Set(keys[..<16]).subtracting([long]))
    #expect(requests.sorted() == [1, 1, 2, 2, 4, 4, 8, 8, 16])
  }

  @Test("A node that takes its time to refuse is asked for as long as two calls may take")
  func slowRefusal() async throws {
    let clock = ManualClock()
    let (found, requests) = try await lookUp(keys[..<16], on: clock) { asked in
      guard asked.count > 1 || asked[0] == self.keys[0] else { return [[1]] }
      // A call has 3 s.
      clock.advance(by: .milliseconds(2900))
      return asked.map { _ in Array(repeating: 1, count: 5 << 20) }
    }
    #expect(found.isEmpty)
    // The third one begins after 5.8 of 6 s.
    #expect(requests == [16, 8, 4])
  }
}
