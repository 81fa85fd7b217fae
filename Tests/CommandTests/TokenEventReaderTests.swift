import NIOCore
import PlumiseWire
import Testing
import petals_e2e

@Suite("Streams of tokens", .timeLimit(.minutes(1)))
struct TokenEventReaderTests {
  private static let events = [
    #"data: {"token":{"text":"a"},"is_finished":false}"#, #"data:{"token":{"text":"b"}}"#,
    ": a comment that keeps the connection open",
    #"data: {"choices":[{"delta":{"content":"c"}}]}"#, #"data: {"choices":[{"delta":{}}]}"#,
    "event: end", #"data: {"is_finished":true}"#,
  ]

  private static func stream(_ lineEnd: String) -> [UInt8] {
    Array(events.map { $0 + lineEnd + lineEnd }.joined().utf8)
  }

  @Test("Lines end with a line feed, a carriage return or both", arguments: ["\n", "\r", "\r\n"])
  func lineEnds(_ lineEnd: String) throws {
    let bytes = Self.stream(lineEnd)
    // Whole, and cut into two at each place.
    for cut in 0...bytes.count {
      var reader = TokenEventReader()
      try reader.take(ByteBuffer(bytes: bytes[..<cut]))
      try reader.take(ByteBuffer(bytes: bytes[cut...]))
      #expect(reader.tokens.count == 3, "cut at \(cut)")
      #expect(String(buffer: reader.last) == #"{"is_finished":true}"#, "cut at \(cut)")
    }
  }

  @Test("An event is whole with its blank line, and has all of its data lines")
  func lines() throws {
    var reader = TokenEventReader()
    try reader.take(ByteBuffer(string: "data: [DONE]\n\nid: 7\ndata: {\ndata:  \"a\": 1}\n"))
    #expect(String(buffer: reader.last) == "[DONE]")
    try reader.take(ByteBuffer(string: "\n"))
    #expect(String(buffer: reader.last) == "{\n \"a\": 1}")
    try reader.take(ByteBuffer(string: "data\n\ndata: cut off"))
    #expect(reader.last.readableBytes == 0 && reader.tokens.isEmpty)
  }

  @Test("An event that comes in small pieces is read in time that grows with its length alone")
  func pieces() throws {
    var reader = TokenEventReader()
    let piece = ByteBuffer(string: "0123456789abcdef")
    // A reader that looks at all that it has for each piece looks at 5·10¹¹ bytes here.
    let count = TokenEventReader.maximumEventBytes / piece.readableBytes - 1
    try reader.take(ByteBuffer(string: "data: "))
    for _ in 0..<count { try reader.take(piece) }
    try reader.take(ByteBuffer(string: "\r\n\r\n"))
    #expect(reader.last.readableBytes == count * piece.readableBytes)
  }

  @Test("An event without an end, and a stream without one, are refused at their limits")
  func limits() throws {
    let line = ByteBuffer(string: "data: " + String(repeating: "x", count: 65_530))
    let limit = TokenEventReader.maximumEventBytes
    for end in ["", "\n"] {
      var reader = TokenEventReader()
      var piece = line
      piece.writeString(end)
      #expect(throws: TokenEventReader.Failure.eventTooLong(limit: limit)) {
        for _ in 0...(limit / 65_000) { try reader.take(piece) }
      }
    }
    var reader = TokenEventReader()
    let event = ByteBuffer(string: ":" + String(repeating: "x", count: 65_530) + "\n\n")
    let count = TokenEventReader.maximumStreamBytes / event.readableBytes
    for _ in 0..<count { try reader.take(event) }
    #expect(
      throws: TokenEventReader.Failure.streamTooLong(limit: TokenEventReader.maximumStreamBytes)
    ) { try reader.take(event) }
  }
}
