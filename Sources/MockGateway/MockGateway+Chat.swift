import AsyncPrimitives
import HTTPTypes
import JSONValues
import Logging
import MockServing
import PlumiseWire
import Synchronization

/// Chats: `POST /v1/chat/completions`.
extension MockGateway {
  func answerChat(_ request: WebRequest) -> WebResponse {
    guard request.body.count <= Self.longestBody else {
      return refuse(
        request, "the body is longer than \(Self.longestBody) bytes: send a shorter conversation",
        .contentTooLarge)
    }
    let chat: ChatRequest
    do throws(ChatRequest.Invalid) { chat = try ChatRequest(request.body) } catch {
      return refuse(request, error.message)
    }
    guard configuration.models.contains(chat.model) else {
      return refuse(request, "Model \(chat.model) not found")
    }
    let id = lastID.withLock { last in
      last += 1
      return "chatcmpl-\(last)"
    }
    let answer = ChatAnswer(
      id: id, model: chat.model, created: configuration.unixClock.seconds)
    guard chat.isStreamed else {
      return .whileClientWaits { try await self.answerWhole(request, chat, answer) }
    }
    return WebResponse(
      headers: [.contentType: "text/event-stream", .cacheControl: "no-cache"],
      stream: WebStream { writer in try await self.stream(request, chat, answer, to: writer) })
  }

  private func refuse(
    _ request: WebRequest, _ message: String, _ status: HTTPResponse.Status = .badRequest
  ) -> WebResponse {
    note(request, status: status.code, [], tokens: 0, failure: message)
    return ChatAnswer.error(status, message)
  }

  private func note(
    _ request: WebRequest, status: Int, _ attempts: [GatewayEntry.Attempt], tokens: Int64,
    failure: String?
  ) {
    journal.record(
      GatewayEntry(
        request: request, status: status, attempts: attempts, generatedTokens: tokens,
        failure: failure))
  }

  // MARK: - Whole answers

  private func answerWhole(
    _ request: WebRequest, _ chat: ChatRequest, _ answer: ChatAnswer
  ) async throws -> WebResponse {
    var attempts: [GatewayEntry.Attempt] = []
    while let node = begin(besides: attempts) {
      let took = Stopwatch(configuration.clock)
      do {
        let (text, tokens, reason) = try await ask(node, chat)
        end(node, chat, tokens: tokens, took: took.elapsed)
        attempts.append(attempt(node, nil))
        note(request, status: 200, attempts, tokens: tokens, failure: nil)
        return .json(
          answer.completion(text, of: chat, tokens: tokens, finishReason: reason).serialized())
      } catch let failure as CallFailure {
        release(node)
        attempts.append(attempt(node, failure.description))
        if let refusal = refusal(of: request, failure, attempts) { return refusal }
      } catch {
        release(node)
        throw error
      }
    }
    return unavailable(request, attempts)
  }

  /// The whole text that a node generates, about how many tokens it has, and why it ended.
  private func ask(
    _ node: GatewayNode, _ chat: ChatRequest
  ) async throws -> (text: String, tokens: Int64, finishReason: String) {
    let limit = configuration.nodeTimeout
    if node.mode != .pipeline {
      do {
        let answer = try await client.call(
          node.url + "/v1/chat/completions", body: chat.completionBody, within: limit)
        guard let text = answer["choices"]?[0]?["message"]?["content"]?.stringValue else {
          throw CallFailure(description: "\(node.url) answered no choice with a text")
        }
        return chat.counted(
          text, count: answer["usage"]?["completion_tokens"],
          finishReason: answer["choices"]?[0]?["finish_reason"]?.stringValue)
      } catch let failure as CallFailure where failure.status == 404 {
        nodeTable.withLock { $0.setMode(.pipeline, of: node.url) }
      }
    }
    let answer = try await client.call(
      node.url + "/api/v1/generate", body: chat.generateBody(limit: chat.maxTokens), within: limit)
    guard let text = answer["generated_text"]?.stringValue else {
      throw CallFailure(description: "\(node.url) answered no generated_text")
    }
    return chat.counted(text, count: answer["num_tokens"])
  }

  // MARK: - Streams

  private func stream(
    _ request: WebRequest, _ chat: ChatRequest, _ answer: ChatAnswer, to writer: WebBodyWriter
  ) async throws -> WebResponse? {
    let relay = StreamRelay(answer, writer)
    var attempts: [GatewayEntry.Attempt] = []
    while let node = begin(besides: attempts) {
      let took = Stopwatch(configuration.clock)
      let before = relay.tokens
      do {
        try await relay.run(
          from: node, chat, on: client, within: configuration.nodeTimeout,
          profile: configuration.profile
        ) { nodeTable.withLock { $0.setMode(.pipeline, of: node.url) } }
        end(node, chat, tokens: relay.tokens - before, took: took.elapsed)
        attempts.append(attempt(node, nil))
        note(request, status: 200, attempts, tokens: relay.tokens, failure: nil)
        try await writer.write(answer.lastChunk(finishReason: relay.finishReason))
        return nil
      } catch let failure as CallFailure {
        release(node)
        attempts.append(attempt(node, failure.description))
        // One that goes on with another node's text is not the client's alone.
        guard !writer.hasBegun else { continue }
        if let refusal = refusal(of: request, failure, attempts) { return refusal }
      } catch {
        release(node)
        note(request, status: 200, attempts, tokens: relay.tokens, failure: "the client has left")
        throw error
      }
    }
    let response = unavailable(request, attempts)
    guard writer.hasBegun else { return response }
    // The status is sent: the stream says what is wrong, and has no [DONE].
    try await writer.write(ChatAnswer.event(ChatAnswer.errorBody(.serviceUnavailable, Self.none)))
    return nil
  }

  /// The most characters of a node's reason that a client gets.
  private static let longestReason = 1000

  /// The answer to a client whose request a node refused for what it asks; nil where another node is to
  /// be asked, as the real gateway asks it whatever the reason.
  private func refusal(
    of request: WebRequest, _ failure: CallFailure, _ attempts: [GatewayEntry.Attempt]
  ) -> WebResponse? {
    guard configuration.profile == .fixed, failure.isRefusalOfRequest, let code = failure.status
    else { return nil }
    let reason = failure.reason.map { String($0.prefix(Self.longestReason)) }
    let message = reason ?? "the node refused the request with status \(code)"
    note(request, status: code, attempts, tokens: 0, failure: failure.description)
    return ChatAnswer.error(HTTPResponse.Status(code: code), message)
  }

  // MARK: - Nodes

  /// Why nobody was asked.
  private var noNode: String {
    let refused = refusedURLs.count
    return refused == 0
      ? "no node is online"
      : "no node is online; of the oracle's, \(refused) on loopback addresses are refused"
  }

  private static let none = "no node is available: see the gateway's log"

  private func unavailable(
    _ request: WebRequest, _ attempts: [GatewayEntry.Attempt]
  ) -> WebResponse {
    let reason = attempts.compactMap(\.failure).last.map { "the last one: \($0)" }
    let message = reason.map { "\(attempts.count) nodes failed, \($0)" } ?? noNode
    note(request, status: 503, attempts, tokens: 0, failure: message)
    configuration.logger.warning("no node answers", metadata: ["reason": "\(message)"])
    return ChatAnswer.error(.serviceUnavailable, message)
  }

  private func begin(besides attempts: [GatewayEntry.Attempt]) -> GatewayNode? {
    nodeTable.withLock { $0.begin(besides: Set(attempts.map(\.url)), at: watch.elapsed) }
  }

  private func end(_ node: GatewayNode, _ chat: ChatRequest, tokens: Int64, took: Duration) {
    let time = watch.elapsed
    nodeTable.withLock { $0.end(node.url) }
    totals.withLock {
      $0.add(node.address, tokens: chat.promptTokens + tokens, latency: took, at: time)
    }
  }

  /// Ends a request that has no answer, whether the node failed or the client left.
  private func release(_ node: GatewayNode) { nodeTable.withLock { $0.end(node.url) } }

  private func attempt(_ node: GatewayNode, _ failure: String?) -> GatewayEntry.Attempt {
    let mode = nodeTable.withLock { $0.nodes[node.url]?.mode } ?? node.mode
    return GatewayEntry.Attempt(
      url: node.url, address: node.address, mode: mode, failure: failure)
  }
}

/// Passes the text of nodes' streams on to one client.
private final class StreamRelay: Sendable {
  private struct State {
    var text = ""
    var tokens: Int64 = 0
    /// How many of them the present node was asked for, and gave.
    var (limit, given): (Int64, Int64) = (.max, 0)
    var finishReason: String?
    var isDone = false
    var failure: String?
  }

  private let state = Mutex(State())
  private let answer: ChatAnswer
  private let writer: WebBodyWriter

  init(_ answer: ChatAnswer, _ writer: WebBodyWriter) {
    self.answer = answer
    self.writer = writer
  }

  /// How many pieces of text have come.
  var tokens: Int64 { state.withLock { $0.tokens } }

  /// Why the text ended: as the node says, or by how many tokens it gave.
  ///
  /// A node with all of a model streams its whole text as one token.
  var finishReason: String {
    state.withLock {
      $0.finishReason ?? FinishReason.ofText(tokens: $0.given, askedFor: $0.limit)
    }
  }

  /// Streams from a node until it is done.
  /// - Parameter isPipeline: called when the node turns out to be one of a pipeline.
  /// - Throws: ``CallFailure`` when the stream does not begin, or breaks.
  func run(
    from node: GatewayNode, _ chat: ChatRequest, on client: NodeClient, within limit: Duration,
    profile: GatewayProfile, isPipeline: () -> Void
  ) async throws {
    if node.mode != .pipeline {
      do {
        begin(askingFor: chat.maxTokens)
        return try await run(
          node.url + "/v1/chat/completions", chat.completionBody, client, limit, profile)
      } catch let failure as CallFailure where failure.status == 404 && node.mode == .unknown {
        isPipeline()
      } catch let failure as CallFailure where failure.status == 404 && profile == .fixed {
        isPipeline()
      }
    }
    let (text, before) =
      profile == .fixed ? state.withLock { ($0.text, $0.tokens) } : ("", 0)
    // Of a stream that broke behind its last token nothing is missing.
    let rest = max(0, chat.maxTokens - before)
    begin(askingFor: rest)
    guard rest > 0 else { return }
    try await run(
      node.url + "/api/v1/generate", chat.generateBody(continuing: text, limit: rest), client,
      limit, profile)
  }

  private func begin(askingFor tokens: Int64) {
    state.withLock { state in
      (state.limit, state.given, state.finishReason) = (tokens, 0, nil)
      // What the node before said is over.
      (state.isDone, state.failure) = (false, nil)
    }
  }

  private func run(
    _ url: String, _ body: JSON, _ client: NodeClient, _ limit: Duration, _ profile: GatewayProfile
  ) async throws {
    let reader = Mutex(StreamReader(profile))
    try await client.stream(url, body: body, within: limit) { chunk in
      let events: [StreamReader.Event]
      do { events = try reader.withLock { try $0.read(chunk) } } catch {
        throw CallFailure(description: "\(url) failed: \(error)")
      }
      try await self.pass(events)
    }
    try await pass(reader.withLock { $0.finish() })
    let (isDone, failure) = state.withLock { ($0.isDone, $0.failure) }
    if let failure { throw CallFailure(description: "\(url) failed: \(failure)") }
    // A stream that ends without its last event has broken, however its connection ended.
    guard isDone else { throw CallFailure(description: "\(url) broke off without [DONE]") }
  }

  private func pass(_ events: [StreamReader.Event]) async throws(ClientLeft) {
    for event in events {
      switch event {
      case .text(let text):
        state.withLock { state in
          state.text += text
          state.tokens += 1
          state.given += 1
        }
        guard !text.isEmpty else { continue }
        do { try await writer.write(answer.chunk(text)) } catch { throw ClientLeft() }
      case .finished(let reason): state.withLock { $0.finishReason = reason }
      case .done: state.withLock { $0.isDone = true }
      case .failure(let message): state.withLock { $0.failure = message }
      }
    }
  }
}
