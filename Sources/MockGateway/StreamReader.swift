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
    /// The stream is complete.
    case done
    /// The node failed.
    case failure(String)
  }

  private let profile: GatewayProfile
  private var rest: [UInt8] = []

  package init(_ profile: GatewayProfile) { self.profile = profile }

  /// Reads a chunk.
  package mutating func read(_ chunk: some Collection<UInt8>) -> [Event] {
    guard profile == .fixed else {
      return chunk.split(separator: UInt8(ascii: "\n")).compactMap {
        Self.event(Array($0), profile)
      }
    }
    rest += chunk
    guard let end = rest.lastIndex(of: UInt8(ascii: "\n")) else { return [] }
    let lines = rest[...end].split(separator: UInt8(ascii: "\n"))
    rest.removeSubrange(...end)
    return lines.compactMap { Self.event(Array($0), profile) }
  }

  /// Reads what stands behind the last line feed, at the stream's end.
  package mutating func finish() -> [Event] {
    let line = rest
    rest = []
    return Self.event(line, profile).map { [$0] } ?? []
  }

  private static func event(_ bytes: [UInt8], _ profile: GatewayProfile) -> Event? {
    var line = Substring(String(decoding: bytes, as: UTF8.self))
    if line.last == "\r" { line.removeLast() }
    guard !line.allSatisfy(\.isWhitespace) else { return nil }
    let isData = line.hasPrefix("data:")
    if isData { line = line.dropFirst("data:".count).drop { $0 == " " } }
    // Comments and other fields of an event stream are nothing to read.
    guard isData || profile == .faithful else { return nil }
    guard line != "[DONE]" else { return .done }
    guard let json = try? JSON.parse(String(line)) else { return .text(String(line)) }
    if let token = json["token"]?.stringValue { return .text(token) }
    if let choice = json["choices"]?[0] {
      return .text(choice["delta"]?["content"]?.stringValue ?? "")
    }
    if profile == .fixed, let error = json["error"] {
      return .failure(error.stringValue ?? error["message"]?.stringValue ?? error.text)
    }
    return .text(String(line))
  }
}
