import NIOCore
import PlumiseWire

/// Generations through a node's HTTP interface, that of nodes or that of agents.
struct NodeWorkload: Workload {
  static let path = "/api/v1/generate"

  let kind = LoadKind.node
  let name: String
  private let source: PromptSource
  private let isStreamed: Bool

  /// - Throws: `CommandFailure` (wrong input) for prompts that cannot be used.
  init(_ options: GenerationLoadOptions, seed: UInt64) throws {
    source = try PromptSource(options, seed: seed)
    isStreamed = options.stream
    name = "\(options.stream ? "streamed " : "")generations of \(options.tokens.spelling) tokens"
  }

  func request(_ index: Int, due: Double) throws -> LoadRequest {
    let ask = source.ask(index)
    let body: JSON = [
      "inputs": .string(ask.prompt), "stream": .bool(isStreamed),
      "parameters": ["max_new_tokens": .integer(ask.newTokens), "do_sample": false],
    ]
    return LoadRequest(
      path: Self.path, body: body.serialized(), promptTokens: ask.promptTokens,
      newTokens: ask.newTokens)
  }

  func failureReason(status: UInt, body: ByteBuffer) -> String? {
    guard status == 200 else { return "status \(status): \(String(buffer: body).prefix(120))" }
    return isStreamed ? StreamEnd.failureReason(lastEvent: body) : nil
  }

  func tokens(in body: ByteBuffer) -> Int {
    // A whole answer has it, and the last event of a node's stream, but not that of an agent's.
    let answer = try? JSON.parse(Array(body.readableBytesView))
    return answer?["num_tokens"]?.integerValue.map(Int.init) ?? 0
  }
}

/// Chats through a gateway.
struct GatewayWorkload: Workload {
  static let path = "/v1/chat/completions"

  let kind = LoadKind.gateway
  let name: String
  private let model: String
  private let source: PromptSource
  private let isStreamed: Bool

  /// - Parameters:
  ///   - model: The model to ask for.
  ///   - options: Prompts and lengths.
  ///   - seed: Where their chance begins.
  /// - Throws: `CommandFailure` (wrong input) for prompts that cannot be used.
  init(model: String, _ options: GenerationLoadOptions, seed: UInt64) throws {
    self.model = model
    source = try PromptSource(options, seed: seed)
    isStreamed = options.stream
    name = "\(options.stream ? "streamed " : "")chats of \(options.tokens.spelling) tokens"
  }

  func request(_ index: Int, due: Double) throws -> LoadRequest {
    let ask = source.ask(index)
    let body: JSON = [
      "model": .string(model), "stream": .bool(isStreamed), "max_tokens": .integer(ask.newTokens),
      "temperature": 0, "messages": [["role": "user", "content": .string(ask.prompt)]],
    ]
    return LoadRequest(
      path: Self.path, body: body.serialized(), promptTokens: ask.promptTokens,
      newTokens: ask.newTokens)
  }

  func failureReason(status: UInt, body: ByteBuffer) -> String? {
    guard status == 200 else { return "status \(status): \(String(buffer: body).prefix(120))" }
    return isStreamed ? StreamEnd.failureReason(lastEvent: body) : nil
  }

  func tokens(in body: ByteBuffer) -> Int {
    let answer = try? JSON.parse(Array(body.readableBytesView))
    return answer?["usage"]?["completion_tokens"]?.integerValue.map(Int.init) ?? 0
  }
}

/// How a stream ends: `[DONE]` for agents and gateways, an event with `is_finished` for nodes.
///
/// One that breaks down says so in its last event, or has none.
enum StreamEnd {
  static func failureReason(lastEvent: ByteBuffer) -> String? {
    if lastEvent.readableBytesView.elementsEqual("[DONE]".utf8) { return nil }
    let last = try? JSON.parse(Array(lastEvent.readableBytesView))
    if last?["is_finished"] == true { return nil }
    return last?["message"]?.stringValue ?? last?["error"]?.stringValue
      ?? last?["error"]?["message"]?.stringValue ?? "the stream ended without its last event"
  }
}
