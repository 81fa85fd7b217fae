/// What the deployed oracle takes for a URL: `http`, `https` or `ftp`, and a host that is an
/// address or a name with a top-level domain.
///
/// `http://localhost:3000` is none.
enum DeployedURL {
  static func isURL(_ text: String) -> Bool {
    let hasRefused = text.unicodeScalars.contains {
      $0.properties.isWhitespace || $0 == "<" || $0 == ">"
    }
    guard text.utf8.count < 2083, !hasRefused else { return false }
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
    if let port {
      guard port.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let number = Int(port),
        (1...65535).contains(number)
      else { return false }
    }
    return host.hasPrefix("[") || isAddress(host) || isDomain(host)
  }

  /// The host, with its brackets when it has any, and the port's text.
  private static func split(_ text: Substring) -> (host: Substring, port: Substring?)? {
    if text.hasPrefix("[") {
      guard let close = text.firstIndex(of: "]") else { return nil }
      let inside = text[text.index(after: text.startIndex)..<close]
      let rest = text[text.index(after: close)...]
      guard inside.contains(":"), inside.allSatisfy({ $0.isHexDigit || ":.".contains($0) }),
        rest.isEmpty || rest.hasPrefix(":")
      else { return nil }
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
        part.utf8.count <= 3 && Int(part).map { (0...255).contains($0) } == true
          && part.allSatisfy(\.isNumber) && (part == "0" || !part.hasPrefix("0"))
      }
  }

  private static func isDomain(_ host: Substring) -> Bool {
    let labels = host.parts(at: ".")
    guard labels.count >= 2, let top = labels.last, top.count >= 2,
      top.allSatisfy({ $0.isLetter }) || top.lowercased().hasPrefix("xn--")
    else { return false }
    return labels.allSatisfy { label in
      (1...63).contains(label.utf8.count) && !label.hasPrefix("-") && !label.hasSuffix("-")
        && label.allSatisfy { $0.isLetter || $0.isNumber || $0 == "-" }
    }
  }
}

extension Substring {
  /// The parts between signs, empty ones too; a mark behind a sign makes no other sign of it.
  fileprivate func parts(at sign: Unicode.Scalar) -> [Substring] {
    unicodeScalars.split(separator: sign, omittingEmptySubsequences: false).map { Substring($0) }
  }
}
