import HTTPTypes
import HummingbirdCore
import NIOCore
import PlumiseWire

/// A streamed answer: server-sent events, one JSON object each.
///
/// A token is `{"token_text", "token_id", "is_finished": false}`, as the network's gRPC chunks have
/// it. The last event has `is_finished` true, `finish_reason`, and the fields of a whole answer.
/// Nothing is sent before the first token, so that a refusal still has its own status.
struct GenerateStream: Sendable {
  let generator: TextGenerator
  let request: TextRequest

  private static let head: HTTPFields = [
    .contentType: "text/event-stream; charset=utf-8", .cacheControl: "no-cache",
  ]

  /// Generates and writes as it goes; the generation of a client that has left ends at its next token.
  /// - Throws: `CancellationError` when it left; what writing throws.
  func write(to writer: consuming ResponseWriter, of client: ClientPresence) async throws {
    // The writer of the head can be used once: it waits here for the first piece.
    var waiting: ResponseWriter? = consume writer
    var body: (any ResponseBodyWriter)?
    try client.check()
    do {
      let result = try await generator.generate(request) { chunk in
        try client.check()
        if let writer = waiting.take() {
          body = try await writer.writeHead(
            HTTPResponse(status: .ok, headerFields: Self.head))
        }
        try await body?.write(Self.event(chunk.json))
      }
      try await body?.write(Self.event(result.lastEvent))
    } catch {
      try client.check()
      let answer = GenerateAnswer.refused(error)
      if let writer = waiting.take() {
        return try await writer.write(answer.status, answer.body, answer.headers)
      }
      try await body?.write(Self.event(answer.body))
    }
    try await body?.finish(nil)
  }

  private static func event(_ json: JSON) -> ByteBuffer {
    ByteBuffer(string: "data: \(json.text)\n\n")
  }
}

extension TextChunk {
  fileprivate var json: JSON {
    [
      "token_text": .string(text), "token_id": .number(JSONNumber(Int(id))),
      "is_finished": .bool(false),
    ]
  }
}

extension GenerationResult {
  fileprivate var lastEvent: JSON {
    [
      "generated_text": .string(text ?? ""),
      "num_tokens": .number(JSONNumber(generatedIDs.count)),
      "latency_ms": .number(JSONNumber(python: duration.hundredthsOfMilliseconds)),
      "is_finished": .bool(true), "finish_reason": .string(finishReason.rawValue),
    ]
  }
}
