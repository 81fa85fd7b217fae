import JSONValues

/// Reads the server-sent events of a node, one network chunk after another.
///
/// The real gateway splits each chunk at line feeds and carries nothing over: a line that two chunks
/// share is two lines to it. What it cannot read, and what is no token, it passes on as text.
package struct StreamReader: Sendable {
  /// What a line says.
  package enum Event: Sendable, Hashable {
    /// A piece of the text.
    case text(String)
    /// Why the text ended, where the node says it: `stop` or `length`.
    case finished(String)
    /// The stream is complete.
    case done
    /// The node failed.
    case failure(String)
  }

  /// A line is longer than a gateway keeps.
  package struct LineTooLong: Error, Hashable, CustomStringConvertible {
    /// One line that says what is wrong.
    package var description: String {
      "a line of its stream has more than \(StreamReader.longestLine) bytes"
    }
  }

  /// The most bytes of a line, its line feed not counted, that ``GatewayProfile/fixed`` puts together
  /// from chunks: far more than an event with one token has.
  package static let longestLine = 1 << 20

  private let profile: GatewayProfile
  /// What stands behind the last line feed; none of it is a line feed.
  private var rest: [UInt8] = []

  package init(_ profile: GatewayProfile) { self.profile = profile }

  /// Reads a chunk.
  ///
  /// - Throws: ``LineTooLong`` in the profile `fixed`; the real gateway keeps no line.
  package mutating func read(_ chunk: some Collection<UInt8>) throws(LineTooLong) -> [Event] {
    var events: [Event] = []
    // Each byte is looked at once, however many chunks a line comes in.
    var pieces = chunk.split(
      separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)[...]
    guard profile == .fixed else {
      return pieces.flatMap { Self.events(Array($0), profile) }
    }
    let last = pieces.popLast()
    for piece in pieces {
      try append(piece)
      events += finish()
    }
    if let last { try append(last) }
    return events
  }

  private mutating func append(_ piece: some Collection<UInt8>) throws(LineTooLong) {
    guard piece.count <= Self.longestLine - rest.count else { throw LineTooLong() }
    rest += piece
  }

  /// Reads what stands behind the last line feed, at the stream's end.
  package mutating func finish() -> [Event] {
    let line = rest
    rest = []
    return Self.events(line, profile)
  }

  /// What a line says: nothing, one thing, or a piece of the text and its end.
  private static func events(_ bytes: [UInt8], _ profile: GatewayProfile) -> [Event] {
    var line = Substring(String(decoding: bytes, as: UTF8.self))
    if line.last == "\r" { line.removeLast() }
    guard !line.allSatisfy(\.isWhitespace) else { return [] }
    let isData = line.hasPrefix("data:")
    if isData { line = line.dropFirst("data:".count).drop { $0 == " " } }
    // Comments and other fields of an event stream are nothing to read.
    guard isData || profile == .faithful else { return [] }
    guard line != "[DONE]" else { return [.done] }
    guard let json = try? JSON.parse(String(line)) else { return [.text(String(line))] }
    // A token that is no whole character yet is a token with an empty text.
    if let token = json["token"]?.stringValue { return [.text(token)] }
    if let choice = json["choices"]?[0] {
      let text = choice["delta"]?["content"]?.stringValue ?? ""
      return (text.isEmpty ? [] : [.text(text)])
        + (choice["finish_reason"]?.stringValue.map { [.finished($0)] } ?? [])
    }
    if profile == .fixed, let error = json["error"] {
      return [.failure(error.stringValue ?? error["message"]?.stringValue ?? error.text)]
    }
    return [.text(String(line))]
  }
}
