import AsyncHTTPClient
import HTTPTypes
import MockServing
import NIOCore
import NIOPosix
import TestSupport
import Testing
import TextKeys

@Suite("Web server", .timeLimit(.minutes(5))) struct WebServerTests {
  private let echo: @Sendable (WebRequest) async -> WebResponse = { request in
    WebResponse(headers: request.headers, body: request.body)
  }

  /// Runs an attempt that listens again on a port it has freed, and runs it anew, with another
  /// port, when a server of another test got the port first.
  private func withFreedPort(_ attempt: () async throws -> Void) async throws {
    for _ in 1..<5 {
      do {
        return try await attempt()
      } catch ServingError.portInUse {
        continue
      }
    }
    try await attempt()
  }

  @Test("A server takes a free port and answers over a real connection")
  func answers() async throws {
    let answer = try await withWebServer(respond: { request in
      .text("\(request.method.rawValue) \(request.path) \(request.query["q"] ?? "-")")
    }) { address async throws in
      #expect(address.port > 0)
      #expect(address.url == "http://127.0.0.1:\(address.port)")
      return try await fetch(address.url + "/a/b?q=one%20two")
    }
    #expect(answer.status == 200)
    #expect(String(decoding: answer.body, as: UTF8.self) == "GET /a/b one two")
  }

  @Test("A port in use is an error that names the port")
  func portInUse() async throws {
    try await withWebServer(respond: echo) { address async throws in
      let error = await #expect(throws: ServingError.self) {
        try await withWebServer(
          ServerConfiguration(port: address.port, serviceName: "oracle"), respond: echo
        ) { _ in }
      }
      #expect(error == .portInUse(port: address.port, service: "oracle"))
      #expect(error?.description.contains("port \(address.port) is in use") == true)
    }
  }

  @Test("The port is free again after the server, even with a client's connection kept alive")
  func portIsFreeAfter() async throws {
    try await withFreedPort {
      let address = try await withWebServer(respond: echo) { address async throws in
        _ = try await fetch(address.url)
        return address
      }
      let second = try await withWebServer(ServerConfiguration(port: address.port), respond: echo) {
        try await fetchOnce($0.url).status
      }
      #expect(second == 200)
    }
  }

  @Test("The port is free again after a body that throws")
  func portIsFreeAfterThrowing() async throws {
    struct Stop: Error { let address: ServerAddress }
    try await withFreedPort {
      let stop = await #expect(throws: Stop.self) {
        try await withWebServer(respond: echo) { throw Stop(address: $0) }
      }
      let port = try #require(stop).address.port
      try await withWebServer(ServerConfiguration(port: port), respond: echo) { _ in }
    }
  }

  @Test("A request in flight is finished before the server stops")
  func finishesRequestsInFlight() async throws {
    let began = Journal<Int>()
    let goOn = Journal<Int>()
    let answer = try await withThrowingTaskGroup(of: Int.self) { group in
      try await withWebServer(
        ServerConfiguration(gracePeriod: .seconds(60)),
        respond: { _ in
          began.record(1)
          // Ends only when the body below is over: the stop then has a request to wait for.
          _ = try? await goOn.next()
          return WebResponse(status: .accepted)
        }
      ) { address async throws in
        group.addTask { try await fetch(address.url).status }
        _ = try await began.next()
        group.addTask {
          goOn.record(1)
          return 0
        }
      }
      return try await group.reduce(0, +)
    }
    #expect(answer == 202)
  }

  @Test("A cancelled body stops the server")
  func cancellation() async throws {
    try await withFreedPort {
      let addresses = Journal<ServerAddress>()
      let never = Journal<Int>()
      let serving = Task { [echo] in
        try await withWebServer(respond: echo) { address async throws in
          addresses.record(address)
          _ = try await never.next()
        }
      }
      let address = try await addresses.next()
      serving.cancel()
      await #expect(throws: CancellationError.self) { try await serving.value }
      try await withWebServer(ServerConfiguration(port: address.port), respond: echo) { _ in }
    }
  }

  @Test("A body over the limit is refused with 413", arguments: [1025, 100_000, 3_000_000])
  func bodyLimit(size: Int) async throws {
    let configuration = ServerConfiguration(maximumBodyBytes: 1024)
    try await withWebServer(configuration, respond: echo) { address async throws in
      let body = [UInt8](repeating: 0x61, count: size)
      #expect(try await fetch(address.url, "POST", body: body).status == 413)
      #expect(try await fetch(address.url, "POST", body: Array(body.prefix(1024))).status == 200)
    }
  }

  @Test("A service that asks for it answers an oversized body in its own words")
  func handsOversizedBodiesOver() async throws {
    let configuration = ServerConfiguration(maximumBodyBytes: 10, oversizedBody: .handOver)
    let status = try await withWebServer(
      configuration,
      respond: { WebResponse(status: $0.body.count == 11 ? .badGateway : .ok) }
    ) { try await fetch($0.url, "POST", body: [UInt8](repeating: 0, count: 500)).status }
    #expect(status == 502)
  }

  @Test("Answers to HEAD and of 204 have no body")
  func bodiless() async throws {
    try await withWebServer(respond: { request in
      request.path == "/none" ? WebResponse(status: .noContent) : .text("text")
    }) { address async throws in
      let head = try await fetch(address.url, "HEAD")
      #expect(head.status == 200 && head.body.isEmpty)
      #expect(try await fetch(address.url + "/none").status == 204)
      #expect(try await fetch(address.url).body == Array("text".utf8))
    }
  }
}
