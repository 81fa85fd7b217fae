import AsyncPrimitives
import HTTPTypes

/// One request and its answer: meets the fault, asks the service.
struct Exchange: Sendable {
  /// What is to be written, at which moment the connection ends if it does, and how fast.
  struct Answer: Sendable {
    /// Nothing is written without one.
    var response: WebResponse?
    var moment: Fault.Moment?
    var ending: Fault.Ending = .close
    var pace: Fault.Pace?
    /// Changes what a stream answers in its place.
    var change: (@Sendable (WebResponse) -> WebResponse)?
  }

  /// Who answers a request.
  enum Responder: Sendable {
    /// The service.
    case service
    /// The server or the service, as configured: the body is too long.
    case oversized
    /// The service has answered already, by the head alone.
    case early(WebResponse)
  }

  let configuration: ServerConfiguration
  let faults: FaultScript?
  let stopping: StopSignal
  /// What WebSocket connections are for; nil where there are none.
  var webSocket: WebSocketService?
  let respond: @Sendable (WebRequest) async -> WebResponse

  /// What counts the requests that are answered, on a clock that tests move.
  var monitor: IdleMonitor? { faults?.monitor }

  /// - Parameter departure: sent when the client has ended its side: it waits for an answer still,
  ///   but not for none.
  func answer(
    to request: WebRequest, by responder: Responder, departure: StopSignal
  ) async -> Answer {
    guard monitor != nil else { return await meet(request, responder, departure) }
    return await IdleMonitor.$answering.withValue(request.body) {
      await meet(request, responder, departure)
    }
  }

  private func meet(
    _ request: WebRequest, _ responder: Responder, _ departure: StopSignal
  ) async -> Answer {
    switch faults?.take(for: request) {
    case nil:
      return Answer(response: await handle(request, responder))
    case .delay(let duration):
      guard await pause(duration) else { return Answer(moment: .beforeHandling) }
      return Answer(response: await handle(request, responder))
    case .neverAnswer:
      let held = monitor?.hold(request.body)
      defer { if let held { monitor?.release(held) } }
      await stopping.wait(or: departure)
      return Answer(moment: .beforeHandling)
    case .answer(let response):
      return Answer(response: response)
    case .alter(let change):
      return Answer(response: change(await handle(request, responder)), change: change)
    case .slowBody(let pace):
      return Answer(response: await handle(request, responder), pace: pace)
    case .drop(.beforeHandling, let ending):
      return Answer(moment: .beforeHandling, ending: ending)
    case .drop(.beforeAnswer, let ending):
      let response = await handle(request, responder)
      // A stream is not handled before it has ended.
      let isRun = response.isStreamed && request.method != .head
      return Answer(response: isRun ? response : nil, moment: .beforeAnswer, ending: ending)
    case .drop(let moment, let ending):
      let response = await handle(request, responder)
      return Answer(response: response, moment: moment, ending: ending)
    }
  }

  /// Waits on the script's clock.
  /// - Returns: whether the time passed; false when the server stops.
  func pause(_ duration: Duration) async -> Bool {
    let clock = faults?.clock ?? ContinuousClock()
    return await stopping.interrupting { try await clock.sleep(for: duration) }
  }

  private func handle(_ request: WebRequest, _ responder: Responder) async -> WebResponse {
    switch responder {
    case .early(let response): return response
    case .oversized where configuration.oversizedBody == .refuse:
      return .text(
        "the body is longer than \(configuration.maximumBodyBytes) bytes\n",
        status: .contentTooLarge)
    case .oversized, .service: return await respond(request)
    }
  }
}
