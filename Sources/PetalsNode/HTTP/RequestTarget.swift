/// The target of a request line, as routes are compared with it.
enum RequestTarget {
  /// The path and the query of a target in origin or absolute form, unreserved characters written
  /// plainly (RFC 9112 §3.2, RFC 3986 §6.2.2.2).
  ///
  /// Any other target stays as it is.
  static func normalized(_ target: String) -> String {
    let origin = originForm(Array(target.utf8)[...])
    let path = origin.prefix { $0 != UInt8(ascii: "?") }
    return String(decoding: plain(path) + origin[path.endIndex...], as: UTF8.self)
  }

  private static func originForm(_ target: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
    for scheme in ["http://", "https://"] where target.lowercased(scheme.utf8.count) == scheme {
      let rest = target.dropFirst(scheme.utf8.count).drop {
        $0 != UInt8(ascii: "/") && $0 != UInt8(ascii: "?")
      }
      return rest.first == UInt8(ascii: "/") ? rest : [UInt8(ascii: "/")] + rest
    }
    return target
  }

  /// Other characters keep their escapes: `%2F` is no slash.
  private static func plain(_ path: ArraySlice<UInt8>) -> [UInt8] {
    var plain: [UInt8] = []
    var rest = path
    while let byte = rest.popFirst() {
      if byte == UInt8(ascii: "%"), let value = rest.hexadecimalPair, isUnreserved(value) {
        plain.append(value)
        rest = rest.dropFirst(2)
      } else {
        plain.append(byte)
      }
    }
    return plain
  }

  private static func isUnreserved(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"):
      true
    default: Array("-._~".utf8).contains(byte)
    }
  }
}

extension ArraySlice<UInt8> {
  /// The first bytes as a text in small letters.
  fileprivate func lowercased(_ count: Int) -> String {
    String(decoding: prefix(count), as: UTF8.self).lowercased()
  }

  /// The byte that the next two digits spell; a sign is none.
  fileprivate var hexadecimalPair: UInt8? {
    let digits = prefix(2)
    guard digits.count == 2, digits.allSatisfy({ Character(Unicode.Scalar($0)).isHexDigit }) else {
      return nil
    }
    return UInt8(String(decoding: digits, as: UTF8.self), radix: 16)
  }
}
