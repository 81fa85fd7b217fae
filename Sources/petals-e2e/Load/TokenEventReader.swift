package import NIOCore
import PlumiseWire

/// Reads server-sent events as nodes, agents and gateways stream them.
///
/// Source: HTML Living Standard, 9.2.6 "Interpreting an event stream": lines end with a line feed,
/// a carriage return or both, and a blank line ends an event.
package struct TokenEventReader: Sendable {
  /// A stream that is too long to be read.
  package enum Failure: Error, Hashable, CustomStringConvertible {
    case eventTooLong(limit: Int)
    case streamTooLong(limit: Int)

    /// One line that names the limit.
    package var description: String {
      switch self {
      case .eventTooLong(let limit): "an event of the stream is longer than \(limit) bytes"
      case .streamTooLong(let limit): "the stream is longer than \(limit) bytes"
      }
    }
  }

  /// The most bytes of an event.
  package static let maximumEventBytes = 4 << 20
  /// The most bytes of a stream: 16 KiB for each of the 4096 tokens that may be asked for.
  package static let maximumStreamBytes = 64 << 20

  private static let lineFeed = UInt8(ascii: "\n")
  private static let carriageReturn = UInt8(ascii: "\r")

  /// What has come of the line that is not whole yet.
  private var line = ByteBuffer()
  /// The data of the event that is not whole yet; nil while it has none.
  private var data: ByteBuffer?
  /// Whether the last line ended with a carriage return, to which a line feed may belong.
  private var endedByReturn = false
  private var byteCount = 0
  /// The data of the last whole event.
  package private(set) var last = ByteBuffer()
  /// When each event of a token came.
  package private(set) var tokens: [ContinuousClock.Instant] = []

  /// A reader at the beginning of a stream.
  package init() {}

  /// Reads what comes next; each byte is looked at once.
  /// - Throws: ``Failure`` for an event or a stream beyond its limit.
  package mutating func take(_ piece: ByteBuffer) throws {
    let now = ContinuousClock.now
    byteCount += piece.readableBytes
    guard byteCount <= Self.maximumStreamBytes else {
      throw Failure.streamTooLong(limit: Self.maximumStreamBytes)
    }
    var rest = piece.readableBytesView
    while let first = rest.first {
      if endedByReturn {
        endedByReturn = false
        if first == Self.lineFeed {
          rest = rest.dropFirst()
          continue
        }
      }
      let end = rest.firstIndex { $0 == Self.lineFeed || $0 == Self.carriageReturn }
      line.writeBytes(rest[..<(end ?? rest.endIndex)])
      guard line.readableBytes + (data?.readableBytes ?? 0) <= Self.maximumEventBytes else {
        throw Failure.eventTooLong(limit: Self.maximumEventBytes)
      }
      guard let end else { return }
      endedByReturn = rest[end] == Self.carriageReturn
      endLine(at: now)
      rest = rest[rest.index(after: end)...]
    }
  }

  private mutating func endLine(at now: ContinuousClock.Instant) {
    defer { line.clear() }
    if line.readableBytes == 0 {
      // Comments, such as those that keep a connection open, make no event.
      guard let whole = data else { return }
      last = whole
      data = nil
      if Self.isToken(whole) { tokens.append(now) }
      return
    }
    let field = line.readableBytesView
    guard field.starts(with: "data:".utf8) || field.elementsEqual("data".utf8) else { return }
    var value = field.dropFirst("data:".utf8.count)
    if value.first == UInt8(ascii: " ") { value = value.dropFirst() }
    if data?.writeInteger(Self.lineFeed) == nil { data = ByteBuffer() }
    data?.writeBytes(value)
  }

  /// Whether an event has a token: a node's that is not the last, an agent's `token`, a chat's piece
  /// of text.
  private static func isToken(_ event: ByteBuffer) -> Bool {
    // What is no JSON, as `[DONE]`, is an event without a token.
    guard let json = try? JSON.parse(Array(event.readableBytesView)) else { return false }
    if let isFinished = json["is_finished"] { return isFinished == false }
    if json["token"] != nil { return true }
    let delta = json["choices"]?.arrayValue?.first?["delta"]?["content"]?.stringValue
    return delta.map { !$0.isEmpty } ?? false
  }
}
