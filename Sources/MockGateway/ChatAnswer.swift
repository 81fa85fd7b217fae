import HTTPTypes
import JSONValues
import MockServing

/// Why a text ended, in the words of OpenAI's API.
enum FinishReason {
  /// The model ended it.
  static let stop = "stop"
  /// It has as many tokens as were asked for.
  static let length = "length"

  /// The reason of a text that a node gave none for.
  static func ofText(tokens: Int64, askedFor limit: Int64) -> String {
    tokens >= limit ? length : stop
  }
}

/// Answers in the form of OpenAI's chat completions.
struct ChatAnswer: Sendable {
  let id: String
  let model: String
  /// Unix seconds.
  let created: Int64

  /// A whole answer.
  func completion(
    _ text: String, of chat: ChatRequest, tokens: Int64, finishReason: String
  ) -> JSON {
    [
      "id": .string(id), "object": "chat.completion", "created": .integer(created),
      "model": .string(model),
      "choices": [
        [
          "index": 0, "message": ["role": "assistant", "content": .string(text)],
          "finish_reason": .string(finishReason),
        ]
      ],
      "usage": [
        "prompt_tokens": .integer(chat.promptTokens), "completion_tokens": .integer(tokens),
        "total_tokens": .integer(chat.promptTokens + tokens),
      ],
    ]
  }

  /// An event of a stream with a piece of the text.
  func chunk(_ text: String) -> [UInt8] {
    Self.event(chunk(["content": .string(text)], finishReason: nil))
  }

  /// The last events of a stream.
  func lastChunk(finishReason: String) -> [UInt8] {
    Self.event(chunk([:], finishReason: .string(finishReason))) + Array("data: [DONE]\n\n".utf8)
  }

  private func chunk(_ delta: JSON, finishReason: JSON?) -> JSON {
    [
      "id": .string(id), "object": "chat.completion.chunk", "created": .integer(created),
      "model": .string(model),
      "choices": [["index": 0, "delta": delta, "finish_reason": finishReason ?? nil]],
    ]
  }

  /// JSON as a server-sent event.
  static func event(_ json: JSON) -> [UInt8] {
    Array("data: ".utf8) + json.serialized() + Array("\n\n".utf8)
  }

  /// The list of models.
  static func models(_ names: [String]) -> JSON {
    [
      "object": "list",
      "data": .array(
        names.map { ["id": .string($0), "object": "model", "owned_by": "plumise"] }),
    ]
  }

  /// The body of an error.
  static func errorBody(_ status: HTTPResponse.Status, _ message: String) -> JSON {
    let isRequest = status.kind == .clientError
    return [
      "error": [
        "message": .string(message),
        "type": isRequest ? "invalid_request_error" : "server_error",
        "code": .integer(status.code),
      ]
    ]
  }

  /// An error as an answer.
  static func error(_ status: HTTPResponse.Status, _ message: String) -> WebResponse {
    .json(errorBody(status, message).serialized(), status: status)
  }
}
