/// A media type as a request names it (RFC 9110 8.3.1), read as strictly as Go's
/// `mime.ParseMediaType` does.
struct MediaType {
  /// Type and subtype in lower case; nil when the text is malformed, its parameters included.
  let essence: String?

  init(_ text: String) {
    let text = Array(text.utf8)
    let name = text.prefix { $0 != UInt8(ascii: ";") }
    let lowered = Self.trimmed(name).map { (0x41...0x5a).contains($0) ? $0 | 0x20 : $0 }
    essence =
      Self.areParameters(text[name.endIndex...])
      ? String(decoding: lowered, as: UTF8.self) : nil
  }

  /// Whether go-ethereum takes JSON-RPC of this type.
  var isJSONRPC: Bool {
    switch essence {
    case "application/json", "application/json-rpc", "application/jsonrequest": true
    default: false
    }
  }

  /// Whether bytes are nothing but parameters: `;name=value`, the value a token or quoted, each name
  /// once.
  private static func areParameters(_ bytes: ArraySlice<UInt8>) -> Bool {
    var rest = trimmed(bytes)
    var names: Set<[UInt8]> = []
    while !rest.isEmpty {
      guard rest.first == UInt8(ascii: ";") else { return false }
      rest = trimmed(rest.dropFirst())
      // A semicolon at the end means nothing.
      if rest.isEmpty { return true }
      let name = rest.prefix(while: isToken)
      rest = trimmed(rest.dropFirst(name.count))
      guard !name.isEmpty, names.insert(name.map { $0 | 0x20 }).inserted,
        rest.first == UInt8(ascii: "=")
      else { return false }
      guard let after = skippingValue(trimmed(rest.dropFirst())) else { return false }
      rest = trimmed(after)
    }
    return true
  }

  private static func skippingValue(_ bytes: ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
    guard bytes.first == UInt8(ascii: "\"") else {
      let value = bytes.prefix(while: isToken)
      return value.isEmpty ? nil : bytes.dropFirst(value.count)
    }
    var rest = bytes.dropFirst()
    while let byte = rest.popFirst() {
      switch byte {
      case UInt8(ascii: "\""): return rest
      case UInt8(ascii: "\\"): _ = rest.popFirst()
      default: continue
      }
    }
    return nil
  }

  private static let separators = Set(#"()<>@,;:\"/[]?="#.utf8)

  private static func isToken(_ byte: UInt8) -> Bool {
    byte > 0x20 && byte < 0x7f && !separators.contains(byte)
  }

  private static func trimmed(_ bytes: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
    func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }
    var bytes = bytes.drop(while: isBlank)
    while let last = bytes.last, isBlank(last) { bytes.removeLast() }
    return bytes
  }
}
