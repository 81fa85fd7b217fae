import HTTPTypes
import NIOCore
import NIOHTTP1

/// One request and its answer: meets the fault, asks the service.
struct Exchange: Sendable {
  /// What is to be written, at which moment the connection ends if it does, and how fast.
  struct Answer: Sendable {
    /// Nothing is written without one.
    var response: WebResponse?
    var moment: Fault.Moment?
    var ending: Fault.Ending = .close
    var pace: Fault.Pace?
  }

  let configuration: ServerConfiguration
  let faults: FaultScript?
  let stopping: StopSignal
  let respond: @Sendable (WebRequest) async -> WebResponse

  /// - Parameter departure: sent when the client has ended its side: it waits for an answer still,
  ///   but not for none.
  func answer(
    to request: WebRequest, isOversized: Bool, departure: StopSignal
  ) async -> Answer {
    switch faults?.take(for: request) {
    case nil:
      return Answer(response: await handle(request, isOversized: isOversized))
    case .delay(let duration):
      guard await pause(duration) else { return Answer(moment: .beforeHandling) }
      return Answer(response: await handle(request, isOversized: isOversized))
    case .neverAnswer:
      await stopping.wait(or: departure)
      return Answer(moment: .beforeHandling)
    case .answer(let response):
      return Answer(response: response)
    case .alter(let change):
      return Answer(response: change(await handle(request, isOversized: isOversized)))
    case .slowBody(let pace):
      return Answer(response: await handle(request, isOversized: isOversized), pace: pace)
    case .drop(.beforeHandling, let ending):
      return Answer(moment: .beforeHandling, ending: ending)
    case .drop(.beforeAnswer, let ending):
      _ = await handle(request, isOversized: isOversized)
      return Answer(moment: .beforeAnswer, ending: ending)
    case .drop(let moment, let ending):
      let response = await handle(request, isOversized: isOversized)
      return Answer(response: response, moment: moment, ending: ending)
    }
  }

  /// Waits on the script's clock.
  /// - Returns: whether the time passed; false when the server stops.
  private func pause(_ duration: Duration) async -> Bool {
    let clock = faults?.clock ?? ContinuousClock()
    return await stopping.interrupting { try await clock.sleep(for: duration) }
  }

  private func handle(_ request: WebRequest, isOversized: Bool) async -> WebResponse {
    if isOversized && configuration.oversizedBody == .refuse {
      return .text(
        "the body is longer than \(configuration.maximumBodyBytes) bytes\n",
        status: .contentTooLarge)
    }
    return await respond(request)
  }

  /// Writes an answer piece by piece, with a pause before each piece of the body, but for its end.
  func write(
    _ answer: Answer, to request: WebRequest, slowly pace: Fault.Pace, on channel: any Channel
  ) async {
    guard let response = answer.response else { return }
    let parts = response.parts(isHead: request.method == .head, isKeptAlive: true)
    do {
      try await channel.writeAndFlush(HTTPServerResponsePart.head(parts.head))
      var rest = parts.body ?? ByteBuffer()
      while let piece = rest.readSlice(length: min(pace.bytes, rest.readableBytes)),
        piece.readableBytes > 0
      {
        guard await pause(pace.pause) else { break }
        try await channel.writeAndFlush(HTTPServerResponsePart.body(.byteBuffer(piece)))
      }
    } catch {
      // The client has gone; there is nobody to tell.
    }
  }
}
