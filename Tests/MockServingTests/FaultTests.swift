import AsyncHTTPClient
import HTTPTypes
import MockServing
import NIOCore
import NIOHTTP1
import PlumiseTesting
import TestSupport
import Testing

@Suite("Faults", .timeLimit(.minutes(5))) struct FaultTests {
  private let respond: @Sendable (WebRequest) async -> WebResponse = { _ in
    .text(String(repeating: "x", count: 1000))
  }

  @Test(
    "A connection that is dropped is an error to the client, and the next request is served",
    arguments: [
      Fault.Moment.beforeHandling, .beforeAnswer, .midBody(after: 0), .midBody(after: 500),
    ], [Fault.Ending.close, .reset])
  func dropped(moment: Fault.Moment, ending: Fault.Ending) async throws {
    let faults = FaultScript()
    faults.add(.drop(moment, ending))
    try await withWebServer(faults: faults, respond: respond) { address async throws in
      await #expect(throws: (any Error).self) { try await fetch(address.url, "POST", body: []) }
      #expect(try await fetch(address.url).body.count == 1000)
      #expect(faults.met.count == 1 && faults.isExhausted)
    }
  }

  @Test("Dropped before handling the service sees nothing, dropped after it has done its work")
  func handledOrNot() async throws {
    let seen = Journal<String>()
    let faults = FaultScript()
    faults.add(.drop(.beforeHandling)) { $0.path == "/before" }
    faults.add(.drop(.beforeAnswer)) { $0.path == "/after" }
    try await withWebServer(
      faults: faults,
      respond: { request in
        seen.record(request.path)
        return WebResponse()
      }
    ) { address async throws in
      for path in ["/before", "/after"] {
        await #expect(throws: (any Error).self) {
          try await fetch(address.url + path, "POST", body: [])
        }
      }
    }
    #expect(seen.entries == ["/after"])
  }

  @Test("A drop after the answer lets the answer through")
  func droppedAfterTheAnswer() async throws {
    let faults = FaultScript()
    faults.add(.drop(.afterAnswer))
    let answer = try await withWebServer(faults: faults, respond: respond) {
      try await fetch($0.url)
    }
    #expect(answer.body.count == 1000)
  }

  @Test("A request that is never answered ends with the server, not before")
  func neverAnswered() async throws {
    let faults = FaultScript()
    faults.add(.neverAnswer)
    try await withThrowingTaskGroup(of: Bool.self) { group in
      try await withWebServer(faults: faults, respond: respond) { address async throws in
        group.addTask {
          await #expect(throws: (any Error).self) {
            try await fetch(address.url, "POST", body: [])
          }
          return true
        }
        // The other request overtakes the one that is never answered.
        _ = try await faults.met.next()
        #expect(try await fetch(address.url).status == 200)
      }
      try await group.waitForAll()
    }
  }

  @Test("A delay lasts as long as the script's clock says")
  func delayed() async throws {
    let clock = ManualClock()
    let faults = FaultScript(clock: clock)
    faults.add(.delay(.seconds(3600)))
    try await withWebServer(faults: faults, respond: respond) { address async throws in
      async let answer = fetch(address.url)
      #expect(try await clock.advanceToNextDeadline() == .seconds(3600))
      #expect(try await answer.status == 200)
    }
  }

  @Test("Any answer can be put in place of the service's")
  func answered() async throws {
    let faults = FaultScript()
    faults.add(.status(503), count: 2)
    faults.add(.tooManyRequests(retryAfter: 7))
    faults.add(.alter { WebResponse(status: $0.status, body: Array("{not json".utf8)) })
    try await withWebServer(faults: faults, respond: respond) { address async throws in
      #expect(try await fetch(address.url).status == 503)
      #expect(try await fetch(address.url).status == 503)
      let busy = try await fetch(address.url)
      #expect(busy.status == 429 && busy.retryAfter == "7")
      let altered = try await fetch(address.url)
      #expect(altered.status == 200 && altered.body == Array("{not json".utf8))
      #expect(try await fetch(address.url).body.count == 1000)
    }
  }

  @Test("A fault meets only the requests it is meant for, in the order of the script")
  func scoped() {
    let faults = FaultScript()
    faults.add(.status(500), count: nil) { $0.path == "/a" }
    faults.add(.status(501))
    func status(_ path: String) -> Int? {
      guard case .answer(let response)? = faults.take(for: WebRequest(.get, path)) else {
        return nil
      }
      return response.status.code
    }
    #expect(["/a", "/b", "/a", "/b", "/a"].map(status) == [500, 501, 500, nil, 500])
    faults.clear()
    #expect(status("/a") == nil)
  }

  @Test("A connection that a raw server keeps open ends with the server")
  func keptOpen() async throws {
    let connected = Journal<Int>()
    let head = Array("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf".utf8)
    try await withThrowingTaskGroup(of: Void.self) { group in
      try await withRawServer(RawScript(reply: head, ending: .keepOpen)) { address async throws in
        group.addTask {
          await #expect(throws: (any Error).self) {
            let request = HTTPClientRequest(url: address.url)
            let response = try await HTTPClient.shared.execute(request, timeout: .seconds(60))
            connected.record(Int(response.status.code))
            _ = try await response.body.collect(upTo: 1000)
          }
        }
        #expect(try await connected.next() == 200)
      }
      try await group.waitForAll()
    }
  }

  @Test("A closed port refuses whoever connects, and no server gets it meanwhile")
  func closedPort() async throws {
    try await withClosedPort { address async throws in
      await #expect(throws: (any Error).self) { try await fetchOnce(address.url) }
      await #expect(throws: ServingError.portInUse(port: address.port, service: "oracle")) {
        try await withWebServer(
          ServerConfiguration(port: address.port, serviceName: "oracle"), respond: respond
        ) { _ in }
      }
    }
  }

  @Test(
    "A raw server answers with bytes that are no HTTP",
    arguments: [
      RawScript(reply: Array("HTTP/1.1 2".utf8), ending: .reset),
      RawScript(reply: Array("not http at all\r\n\r\n".utf8), ending: .close),
      RawScript(readsFirst: 0, reply: [], ending: .reset),
    ])
  func raw(script: RawScript) async throws {
    _ = try await withRawServer(script) { address async throws in
      await #expect(throws: (any Error).self) { try await fetch(address.url, "POST", body: []) }
    }
  }
}
