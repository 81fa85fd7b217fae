/// What validator.js, which class-validator asks, takes for a URL: `http`, `https` or `ftp`, and a
/// host that is an address or a name with a top-level domain.
///
/// `http://localhost:3000` is none.
enum ValidatorURL {
  static func isURL(_ text: String) -> Bool {
    let hasRefused = text.unicodeScalars.contains {
      $0.properties.isWhitespace || $0 == "<" || $0 == ">"
    }
    guard text.utf16.count < 2083, !hasRefused else { return false }
    guard let scheme = ["http://", "https://", "ftp://"].first(where: text.lowercased().hasPrefix)
    else { return false }
    let authority = Substring(
      text.unicodeScalars.dropFirst(scheme.count).prefix { $0 != "/" && $0 != "?" && $0 != "#" })
    var parts = authority.parts(at: "@")
    guard let hostAndPort = parts.popLast(), parts.count <= 1 else { return false }
    if let user = parts.first {
      // A user and perhaps a password; neither both empty nor more of them.
      let names = user.parts(at: ":")
      guard names.count <= 2, names.contains(where: { !$0.isEmpty }) else { return false }
    }
    guard let (host, port) = split(hostAndPort) else { return false }
    if let port, !port.isEmpty {
      guard port.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let number = Int(port),
        (1...65535).contains(number)
      else { return false }
    }
    if host.hasPrefix("[") { return isAddress6(host.dropFirst().dropLast()) }
    return isAddress(host) || isDomain(host)
  }

  /// The host, with its brackets when it has any, and the port's text.
  private static func split(_ text: Substring) -> (host: Substring, port: Substring?)? {
    if text.hasPrefix("[") {
      guard let close = text.firstIndex(of: "]") else { return nil }
      let rest = text[text.index(after: close)...]
      // Behind brackets a colon needs its port.
      guard rest.isEmpty || (rest.hasPrefix(":") && rest.count > 1) else { return nil }
      return (text[...close], rest.isEmpty ? nil : rest.dropFirst())
    }
    let parts = text.parts(at: ":")
    switch parts.count {
    case 1: return (parts[0], nil)
    case 2: return (parts[0], parts[1])
    default: return nil
    }
  }

  private static func isAddress(_ host: Substring) -> Bool {
    let parts = host.parts(at: ".")
    return parts.count == 4
      && parts.allSatisfy { part in
        part.utf8.count <= 3 && part.utf8.allSatisfy { (0x30...0x39).contains($0) }
          && Int(part).map { (0...255).contains($0) } == true
          && (part == "0" || !part.hasPrefix("0"))
      }
  }

  /// Whether a text is an IPv6 address, perhaps with a zone (RFC 4291 §2.2, RFC 4007 §11).
  private static func isAddress6(_ text: Substring) -> Bool {
    let pieces = text.split(separator: "%", maxSplits: 1, omittingEmptySubsequences: false)
    if pieces.count == 2 {
      guard !pieces[1].isEmpty,
        pieces[1].unicodeScalars.allSatisfy({
          $0.isASCII
            && ($0.properties.isAlphabetic || ("0"..."9").contains($0)
              || "-.:".unicodeScalars.contains($0))
        })
      else { return false }
    }
    let halves = pieces[0].pieces(at: "::")
    guard halves.count <= 2 else { return false }
    var groups = 0
    for (index, half) in halves.enumerated() where !half.isEmpty {
      let parts = half.parts(at: ":")
      for (place, part) in parts.enumerated() {
        let isLast = index == halves.count - 1 && place == parts.count - 1
        if isLast, part.contains(".") {
          guard isAddress(part) else { return false }
          groups += 2
        } else {
          guard (1...4).contains(part.utf8.count), part.utf8.allSatisfy(\.isHexadecimalDigit) else {
            return false
          }
          groups += 1
        }
      }
    }
    return halves.count == 2 ? groups < 8 : groups == 8
  }

  private static func isDomain(_ host: Substring) -> Bool {
    let labels = host.parts(at: ".")
    guard labels.count >= 2, let top = labels.last, isTop(top) else { return false }
    return labels.allSatisfy { label in
      (1...63).contains(label.utf16.count) && !label.hasPrefix("-") && !label.hasSuffix("-")
        && label.unicodeScalars.allSatisfy { scalar in
          scalar.isLetter || ("0"..."9").contains(scalar) || scalar == "-"
            || (0xa1...0xffff).contains(scalar.value) && !(0xff01...0xff5e).contains(scalar.value)
        }
    }
  }

  /// Whether a label may be a top-level domain: two letters at least, or a name in Punycode.
  private static func isTop(_ label: Substring) -> Bool {
    let lower = label.lowercased()
    if lower.hasPrefix("xn"), lower.utf8.count >= 4,
      lower.unicodeScalars.dropFirst(2).allSatisfy({
        $0.isLetter || ("0"..."9").contains($0) || $0 == "-"
      })
    {
      return true
    }
    return label.utf16.count >= 2
      && label.unicodeScalars.allSatisfy { scalar in
        switch scalar.value {
        case 0xa1...0xa8, 0xaa...0xd7ff, 0xf900...0xfdcf, 0xfdf0...0xffef: true
        default: scalar.isLetter
        }
      }
  }
}

extension Unicode.Scalar {
  /// Whether it is one of ASCII's letters.
  fileprivate var isLetter: Bool { ("a"..."z").contains(self) || ("A"..."Z").contains(self) }
}

extension UInt8 {
  fileprivate var isHexadecimalDigit: Bool {
    switch self {
    case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "f"),
      UInt8(ascii: "A")...UInt8(ascii: "F"):
      true
    default: false
    }
  }
}

extension Substring {
  /// The parts between signs, empty ones too; a mark behind a sign makes no other sign of it.
  fileprivate func parts(at sign: Unicode.Scalar) -> [Substring] {
    unicodeScalars.split(separator: sign, omittingEmptySubsequences: false).map { Substring($0) }
  }

  /// The parts between separators of several signs, from left to right.
  fileprivate func pieces(at separator: String) -> [Substring] {
    var pieces: [Substring] = []
    var rest = self
    while let range = rest.firstRange(of: separator) {
      pieces.append(rest[..<range.lowerBound])
      rest = rest[range.upperBound...]
    }
    return pieces + [rest]
  }
}
