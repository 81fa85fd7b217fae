import HTTPTypes
import HummingbirdCore
import NIOCore

/// One request and its answer on a connection: reads the body, meets the fault, writes.
struct Exchange: Sendable {
  /// Thrown to end a connection; the server closes it and goes on.
  private struct ConnectionEnds: Error {}

  /// How much more of a refused body is read before the connection is closed: enough for a
  /// client that sends first and reads after, not enough to be flooded.
  private static let drainLimit = 16 << 20

  let configuration: ServerConfiguration
  let faults: FaultScript?
  let stopping: StopSignal
  let respond: @Sendable (WebRequest) async -> WebResponse

  func run(
    request: Request, writer: consuming ResponseWriter, channel: any Channel
  ) async throws {
    if request.headers[.expect]?.lowercased() == "100-continue" {
      try await writer.writeInformationalHead(HTTPResponse(status: .continue))
    }
    var chunks = request.body.makeAsyncIterator()
    var body: [UInt8] = []
    while body.count <= configuration.maximumBodyBytes, let chunk = try await chunks.next() {
      body.append(contentsOf: chunk.readableBytesView)
    }
    let isOversized = body.count > configuration.maximumBodyBytes
    if isOversized { body.removeLast(body.count - configuration.maximumBodyBytes - 1) }
    let webRequest = WebRequest(
      request.method, request.head.path ?? "/", headers: request.headers, body: body,
      remote: channel.remoteAddress.map { "\($0.ipAddress ?? ""):\($0.port ?? 0)" })

    let answer = try await answer(to: webRequest, isOversized: isOversized, on: channel)
    try await write(answer, to: webRequest, writer: writer, channel: channel)

    if isOversized {
      var drained = 0
      while let chunk = try await chunks.next() {
        drained += chunk.readableBytes
        if drained > Self.drainLimit { throw ConnectionEnds() }
      }
    }
  }

  /// What is to be written, and at which moment the connection ends, if it does.
  private struct Answer {
    var response: WebResponse
    var drop: (moment: Fault.Moment, ending: Fault.Ending)?
  }

  private func answer(
    to request: WebRequest, isOversized: Bool, on channel: any Channel
  ) async throws -> Answer {
    switch faults?.take(for: request) {
    case nil:
      return Answer(response: await handle(request, isOversized: isOversized))
    case .delay(let duration):
      let clock = faults?.clock ?? ContinuousClock()
      guard await stopping.interrupting({ try await clock.sleep(for: duration) }) else {
        throw ConnectionEnds()
      }
      return Answer(response: await handle(request, isOversized: isOversized))
    case .neverAnswer:
      await stopping.wait()
      throw ConnectionEnds()
    case .answer(let response):
      return Answer(response: response)
    case .alter(let change):
      return Answer(response: change(await handle(request, isOversized: isOversized)))
    case .drop(.beforeHandling, let ending):
      try await end(channel, ending)
    case .drop(.beforeAnswer, let ending):
      _ = await handle(request, isOversized: isOversized)
      try await end(channel, ending)
    case .drop(let moment, let ending):
      let response = await handle(request, isOversized: isOversized)
      return Answer(response: response, drop: (moment, ending))
    }
  }

  private func handle(_ request: WebRequest, isOversized: Bool) async -> WebResponse {
    if isOversized && configuration.oversizedBody == .refuse {
      return .text(
        "the body is longer than \(configuration.maximumBodyBytes) bytes\n",
        status: .contentTooLarge)
    }
    return await respond(request)
  }

  private func write(
    _ answer: Answer, to request: WebRequest, writer: consuming ResponseWriter,
    channel: any Channel
  ) async throws {
    let response = answer.response
    var head = HTTPResponse(status: response.status, headerFields: response.headers)
    if response.status.allowsBody { head.headerFields[.contentLength] = "\(response.body.count)" }
    if case .midBody(let bytes)? = answer.drop?.moment {
      var body = try await writer.writeHead(head)
      try await body.write(ByteBuffer(bytes: response.body.prefix(bytes)))
    } else if response.body.isEmpty || request.method == .head || !response.status.allowsBody {
      try await writer.writeResponse(head)
    } else {
      try await writer.write(
        response: head, body: .init(byteBuffer: ByteBuffer(bytes: response.body)))
    }
    if let drop = answer.drop { try await end(channel, drop.ending) }
  }

  private func end(_ channel: any Channel, _ ending: Fault.Ending) async throws -> Never {
    if ending == .reset { try await channel.resetOnClose().get() }
    throw ConnectionEnds()
  }
}

extension HTTPResponse.Status {
  /// Whether a response of this status has a body at all (RFC 9110 §6.4.1).
  fileprivate var allowsBody: Bool {
    kind != .informational && self != .noContent && self != .notModified
  }
}
