import JSONValues

/// What a client of `POST /v1/chat/completions` asks for.
struct ChatRequest: Sendable, Hashable {
  /// A message of the conversation.
  struct Message: Sendable, Hashable {
    let role: String
    let content: String
  }

  /// Why a body is refused.
  struct Invalid: Error, Hashable {
    /// What is wrong with which field, and what is right.
    let message: String
  }

  /// The tokens that are generated when the client names no number.
  static let defaultMaxTokens: Int64 = 512
  static let defaultTemperature = 0.7
  static let defaultTopP = 0.9

  let model: String
  let messages: [Message]
  let maxTokens: Int64
  let temperature: Double
  let topP: Double
  let isStreamed: Bool

  /// Reads a body.
  /// - Throws: ``Invalid``.
  init(_ body: [UInt8]) throws(Invalid) {
    let json: JSON
    do { json = try JSON.parse(body) } catch {
      throw Invalid(message: "the body is not JSON: \(error); send an object with messages")
    }
    guard json.objectValue != nil else {
      throw Invalid(message: "the body is no object; send an object with model and messages")
    }
    guard let model = json["model"]?.stringValue, !model.isEmpty else {
      throw Invalid(message: "model is missing: send the name of a model")
    }
    guard let list = json["messages"]?.arrayValue, !list.isEmpty else {
      throw Invalid(message: "messages is missing or empty: send at least one message")
    }
    var messages: [Message] = []
    for (index, entry) in list.enumerated() {
      guard let role = entry["role"]?.stringValue, let content = Self.text(entry["content"]) else {
        throw Invalid(
          message: "messages[\(index)] lacks a role or a text: send {\"role\", \"content\"}")
      }
      messages.append(Message(role: role, content: content))
    }
    self.model = model
    self.messages = messages
    maxTokens =
      try Self.number(json["max_tokens"], "max_tokens", as: \.integerValue, 1...4096)
      ?? Self.defaultMaxTokens
    temperature =
      try Self.number(json["temperature"], "temperature", as: \.doubleValue, 0...2)
      ?? Self.defaultTemperature
    topP = try Self.number(json["top_p"], "top_p", as: \.doubleValue, 0...1) ?? Self.defaultTopP
    switch json["stream"] {
    case nil, .null?: isStreamed = false
    case .bool(let value)?: isStreamed = value
    default: throw Invalid(message: "stream is neither true nor false")
    }
  }

  /// A content: a text, or parts of which each is one.
  private static func text(_ content: JSON?) -> String? {
    if let text = content?.stringValue { return text }
    guard let parts = content?.arrayValue else { return nil }
    var text = ""
    for part in parts {
      guard part["type"]?.stringValue == "text", let piece = part["text"]?.stringValue else {
        return nil
      }
      text += piece
    }
    return text
  }

  /// A number of the request, which must be in a range if it is there.
  private static func number<Number: Comparable>(
    _ value: JSON?, _ name: String, as read: (JSON) -> Number?, _ range: ClosedRange<Number>
  ) throws(Invalid) -> Number? {
    guard let value, !value.isNull else { return nil }
    guard let number = read(value), range.contains(number) else {
      throw Invalid(
        message: "\(name) is \(value.summary): send \(range.lowerBound) to \(range.upperBound)")
    }
    return number
  }

  /// The conversation as one prompt: `### ROLE:` and the content for each message, and at last the
  /// role that is to speak.
  var prompt: String {
    messages.map { "### \($0.role.uppercased()):\n\($0.content)\n" }.joined(separator: "\n")
      + "\n### ASSISTANT:\n"
  }

  /// About how many tokens the prompt has: four characters each.
  var promptTokens: Int64 { Self.tokens(inTextOfLength: prompt.utf8.count) }

  /// About how many tokens a text has: one for each four bytes that are begun.
  static func tokens(inTextOfLength count: Int) -> Int64 { Int64((count + 3) / 4) }

  /// The counts that a node may give for one text: no report of more tokens is taken by the oracle.
  static let possibleCounts: ClosedRange<Int64> = 0...1_000_000_000

  /// A text with its tokens, estimated where the node did not count them, and why it ended, by the count
  /// where the node does not say it.
  /// - Parameter count: what the node says; a number that no text can have is as good as none.
  func counted(
    _ text: String, count: JSON?, finishReason: String? = nil
  ) -> (text: String, tokens: Int64, finishReason: String) {
    let tokens = count?.integerValue.flatMap { Self.possibleCounts.contains($0) ? $0 : nil }
    return (
      text, tokens ?? Self.tokens(inTextOfLength: text.utf8.count),
      finishReason ?? FinishReason.ofText(tokens: tokens ?? 0, askedFor: maxTokens)
    )
  }

  private var messagesJSON: JSON {
    .array(messages.map { ["role": .string($0.role), "content": .string($0.content)] })
  }

  /// The body of `POST /api/v1/generate` at a node of a pipeline.
  /// - Parameters:
  ///   - text: what has been generated already, and is continued.
  ///   - limit: how many tokens are asked for.
  func generateBody(continuing text: String = "", limit: Int64) -> JSON {
    var parameters: JSONObject = [
      "max_new_tokens": .integer(limit),
      "temperature": .number(JSONNumber(javaScript: temperature)),
      "top_p": .number(JSONNumber(javaScript: topP)),
    ]
    // The real gateway sends no penalty with a stream.
    if !isStreamed { parameters["repetition_penalty"] = .number(JSONNumber(javaScript: 1.3)) }
    parameters["do_sample"] = true
    var body: JSONObject = [
      "inputs": .string(prompt + text), "messages": messagesJSON, "parameters": .object(parameters),
    ]
    if isStreamed { body["stream"] = true }
    return .object(body)
  }

  /// The body of `POST /v1/chat/completions` at a node with all of a model.
  var completionBody: JSON {
    [
      "model": .string(model), "messages": messagesJSON, "max_tokens": .integer(maxTokens),
      "temperature": .number(JSONNumber(javaScript: temperature)),
      "top_p": .number(JSONNumber(javaScript: topP)), "stream": .bool(isStreamed),
    ]
  }
}
