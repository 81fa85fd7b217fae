/// What the deployed oracle takes for a URL: `http`, `https` or `ftp`, and a host that is an
/// address or a name with a top-level domain.
///
/// `http://localhost:3000` is none.
enum DeployedURL {
  static func isURL(_ text: String) -> Bool {
    guard text.utf8.count < 2083, !text.contains(where: { $0.isWhitespace || "<>".contains($0) })
    else { return false }
    guard let scheme = ["http://", "https://", "ftp://"].first(where: text.lowercased().hasPrefix)
    else { return false }
    let authority = text.dropFirst(scheme.count).prefix { !"/?#".contains($0) }
    var parts = authority.split(separator: "@", omittingEmptySubsequences: false)
    guard let hostAndPort = parts.popLast(), parts.count <= 1 else { return false }
    if let user = parts.first {
      // A user and perhaps a password; neither both empty nor more of them.
      let names = user.split(separator: ":", omittingEmptySubsequences: false)
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
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    switch parts.count {
    case 1: return (parts[0], nil)
    case 2: return (parts[0], parts[1])
    default: return nil
    }
  }

  private static func isAddress(_ host: Substring) -> Bool {
    let parts = host.split(separator: ".", omittingEmptySubsequences: false)
    return parts.count == 4
      && parts.allSatisfy { part in
        part.utf8.count <= 3 && Int(part).map { (0...255).contains($0) } == true
          && part.allSatisfy(\.isNumber) && (part == "0" || !part.hasPrefix("0"))
      }
  }

  private static func isDomain(_ host: Substring) -> Bool {
    let labels = host.split(separator: ".", omittingEmptySubsequences: false)
    guard labels.count >= 2, let top = labels.last, top.count >= 2,
      top.allSatisfy({ $0.isLetter }) || top.lowercased().hasPrefix("xn--")
    else { return false }
    return labels.allSatisfy { label in
      (1...63).contains(label.utf8.count) && !label.hasPrefix("-") && !label.hasSuffix("-")
        && label.allSatisfy { $0.isLetter || $0.isNumber || $0 == "-" }
    }
  }
}
