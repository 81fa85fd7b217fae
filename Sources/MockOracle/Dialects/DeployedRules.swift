import EthereumPrimitives
import PlumiseWire

/// The validation rules of the deployed oracle, with its own words (Wire.md, deployed dialect).
///
/// The services it is built with report a property's rules from the one that stands closest to the
/// property outwards, so the range of a number comes before its type.
enum DeployedRules {
  /// A number of at least `least`.
  static func number(_ value: JSON?, _ name: String, least: Int) -> [String] {
    guard let number = value?.doubleValue else {
      return ["\(name) must not be less than \(least)", notNumber(name)]
    }
    // JavaScript reads 1e999 as Infinity, which is above any least and yet no number here.
    if !number.isFinite {
      return number < 0
        ? ["\(name) must not be less than \(least)", notNumber(name)] : [notNumber(name)]
    }
    return number < Double(least) ? ["\(name) must not be less than \(least)"] : []
  }

  /// An Ethereum address of any case.
  static func address(_ value: JSON?, _ name: String) -> [String] {
    let digits = value?.stringValue.flatMap { text in
      text.hasPrefix("0x") ? text.dropFirst(2) : nil
    }
    let isAddress = digits.map { $0.utf8.count == 40 && $0.utf8.allSatisfy(isHexadecimal) }
    return isAddress == true ? [] : ["\(name) must be an Ethereum address"]
  }

  /// Any text.
  static func string(_ value: JSON?, _ name: String) -> [String] {
    value?.stringValue == nil ? ["\(name) must be a string"] : []
  }

  /// A list of texts.
  static func texts(_ value: JSON?, _ name: String) -> [String] {
    guard let elements = value?.arrayValue else {
      return ["each value in \(name) must be a string", "\(name) must be an array"]
    }
    return elements.allSatisfy { $0.stringValue != nil }
      ? [] : ["each value in \(name) must be a string"]
  }

  /// A URL with its protocol.
  static func url(_ value: JSON?, _ name: String) -> [String] {
    value?.stringValue.map(DeployedURL.isURL) == true ? [] : ["\(name) must be a URL address"]
  }

  /// 66 hexadecimal characters, `0x` or `0h` among them or not.
  static func hash(_ value: JSON?, _ name: String) -> [String] {
    let text = value?.stringValue
    var messages = length(value, name, exactly: 66)
    if text.map(isHexadecimalText) != true {
      messages.append("\(name) must be a hexadecimal number")
    }
    if text == nil { messages.append("\(name) must be a string") }
    return messages
  }

  private static func length(_ value: JSON?, _ name: String, exactly length: Int) -> [String] {
    let tooShort = "\(name) must be longer than or equal to \(length) characters"
    switch value {
    case .string(let text):
      // JavaScript counts UTF-16 units.
      let count = text.utf16.count
      if count == length { return [] }
      return [
        count < length ? tooShort : "\(name) must be shorter than or equal to \(length) characters"
      ]
    case .array(let elements):
      return [
        elements.count < length
          ? tooShort
          : elements.count > length
            ? "\(name) must be shorter than or equal to \(length) characters"
            : between(name, length)
      ]
    case nil, .null, .bool(false): return [tooShort]
    case .number(let number): return [number.double == 0 ? tooShort : between(name, length)]
    case .bool(true), .object: return [between(name, length)]
    }
  }

  /// What is said of a value that is neither short nor long because it has no length at all.
  private static func between(_ name: String, _ length: Int) -> String {
    "\(name) must be longer than or equal to \(length) "
      + "and shorter than or equal to \(length) characters"
  }

  private static func notNumber(_ name: String) -> String {
    "\(name) must be a number conforming to the specified constraints"
  }

  private static func isHexadecimalText(_ text: String) -> Bool {
    let prefixed = ["0x", "0h", "0X", "0H"].contains { text.hasPrefix($0) }
    let digits = prefixed ? text.utf8.dropFirst(2) : text.utf8[...]
    return !digits.isEmpty && digits.allSatisfy(isHexadecimal)
  }

  private static func isHexadecimal(_ byte: UInt8) -> Bool {
    (0x30...0x39).contains(byte) || (0x41...0x46).contains(byte) || (0x61...0x66).contains(byte)
  }
}

/// A report of the deployed dialect whose form is right; whose it is, is not known yet.
struct DeployedBody {
  let agent: Address
  let tokensProcessed: Double
  let averageLatencyMilliseconds: Double
  let requestCount: Double
  let uptimeSeconds: Double
  let timestamp: Double
  let signature: String
  let proofs: [(hashes: [String], tokenCount: Double)]
  /// What the signature must be of.
  let signedText: SignedText

  /// Reads a body.
  /// - Throws: ``RejectionReason/malformed(_:)``, or ``RejectionReason/invalid(_:)`` with every fault in the
  ///   deployed oracle's words and order.
  init(_ bytes: [UInt8]) throws(RejectionReason) {
    let object = try DeployedForm.report.read(bytes)
    guard let wallet = object["wallet"]?.stringValue,
      // The rules have seen that it is an address.
      let agent = try? Address(wallet),
      let tokens = object["tokensProcessed"]?.numberValue,
      let latency = object["avgLatencyMs"]?.doubleValue,
      let requests = object["requestCount"]?.doubleValue,
      let uptime = object["uptimeSeconds"]?.doubleValue,
      let timestamp = object["timestamp"]?.numberValue,
      let signature = object["signature"]?.stringValue
    else { throw .invalid([]) }
    self.agent = agent
    tokensProcessed = tokens.double
    averageLatencyMilliseconds = latency
    requestCount = requests
    uptimeSeconds = uptime
    self.timestamp = timestamp.double
    self.signature = signature
    proofs = (object["proofs"]?.arrayValue ?? []).map { proof in
      let hashes = DeployedForm.proof.fields.prefix(3).map { proof[$0.name]?.stringValue ?? "" }
      return (hashes, proof["tokenCount"]?.doubleValue ?? 0)
    }
    signedText = DeployedReport.signedText(
      agent: .string(wallet), tokens: .number(tokens), timestamp: .number(timestamp))
  }
}

extension DeployedForm {
  /// Reads a body of this form.
  /// - Throws: ``RejectionReason/malformed(_:)`` or ``RejectionReason/invalid(_:)``.
  func read(_ bytes: [UInt8]) throws(RejectionReason) -> JSONObject {
    let body: JSON
    do { body = try JSON.parse(bytes) } catch { throw .malformed(error.description) }
    guard body.objectValue != nil || body.arrayValue != nil else {
      throw .malformed("the body is neither an object nor an array")
    }
    let object = body.objectValue ?? JSONObject()
    var faults = FieldValidationErrors()
    check(object, into: &faults)
    guard faults.all.isEmpty else { throw .invalid(faults.all) }
    return object
  }
}

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
