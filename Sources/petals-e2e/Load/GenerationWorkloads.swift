import NIOCore
import PlumiseWire

/// Requests that generate: prompts to a path, whose answers are whole or streamed.
protocol GenerationWorkload: Workload {
  /// Where the requests go.
  static var path: String { get }

  /// Makes the prompts, and how many tokens are asked for.
  var source: PromptSource { get }

  /// Whether answers are streamed.
  var isStreamed: Bool { get }

  /// What is asked, as JSON.
  func body(of ask: PromptSource.Ask) -> JSON

  /// How many tokens a whole answer, or the last event of a streamed one, says that it has; nil where it does not.
  func tokenCount(in answer: JSON) -> Int64?
}

extension GenerationWorkload {
  /// The requests for the user: `streamed chats of 8 tokens`.
  static func name(_ requests: String, _ options: GenerationLoadOptions) -> String {
    "\(options.stream ? "streamed " : "")\(requests) of \(options.tokens.spelling) tokens"
  }

  func request(_ index: Int, due: Double) throws -> LoadRequest {
    let ask = source.ask(index)
    return LoadRequest(
      path: Self.path, body: body(of: ask).serialized(), promptTokens: ask.promptTokens,
      newTokens: ask.newTokens)
  }

  func failureReason(status: UInt, body: ByteBuffer) -> String? {
    guard status == 200 else { return "status \(status): \(String(buffer: body).prefix(120))" }
    return isStreamed ? StreamEnd.failureReason(lastEvent: body) : nil
  }

  func tokens(in body: ByteBuffer) -> Int {
    // An answer that is no JSON, as the end of an agent's stream, says nothing of tokens.
    guard let answer = try? JSON.parse(Array(body.readableBytesView)) else { return 0 }
    return tokenCount(in: answer).flatMap { Int(exactly: $0) } ?? 0
  }
}

/// Generations through a node's HTTP interface, that of nodes or that of agents.
struct NodeWorkload: GenerationWorkload {
  static let path = "/api/v1/generate"

  let kind = LoadKind.node
  let name: String
  let source: PromptSource
  let isStreamed: Bool

  /// - Throws: `CommandFailure` (wrong input) for prompts that cannot be used.
  init(_ options: GenerationLoadOptions, seed: UInt64) throws {
    source = try PromptSource(options, seed: seed)
    isStreamed = options.stream
    name = Self.name("generations", options)
  }

  func body(of ask: PromptSource.Ask) -> JSON {
    [
      "inputs": .string(ask.prompt), "stream": .bool(isStreamed),
      "parameters": ["max_new_tokens": .integer(ask.newTokens), "do_sample": false],
    ]
  }

  func tokenCount(in answer: JSON) -> Int64? {
    // A whole answer has it, and the last event of a node's stream, but not that of an agent's.
    answer["num_tokens"]?.integerValue
  }
}

/// Chats through a gateway.
struct GatewayWorkload: GenerationWorkload {
  static let path = "/v1/chat/completions"

  let kind = LoadKind.gateway
  let name: String
  let source: PromptSource
  let isStreamed: Bool
  private let model: String

  /// - Parameters:
  ///   - model: The model to ask for.
  ///   - options: Prompts and lengths.
  ///   - seed: Where their chance begins.
  /// - Throws: `CommandFailure` (wrong input) for prompts that cannot be used.
  init(model: String, _ options: GenerationLoadOptions, seed: UInt64) throws {
    self.model = model
    source = try PromptSource(options, seed: seed)
    isStreamed = options.stream
    name = Self.name("chats", options)
  }

  func body(of ask: PromptSource.Ask) -> JSON {
    [
      "model": .string(model), "stream": .bool(isStreamed), "max_tokens": .integer(ask.newTokens),
      "temperature": 0, "messages": [["role": "user", "content": .string(ask.prompt)]],
    ]
  }

  func tokenCount(in answer: JSON) -> Int64? {
    answer["usage"]?["completion_tokens"]?.integerValue
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
