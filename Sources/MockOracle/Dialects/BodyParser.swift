import HTTPTypes
import Inflate
import MockServing
import PlumiseWire

/// Reads bodies as the deployed oracle's HTTP stack does before any route sees them (Express 5 with
/// body-parser 2): by content type, charset and content encoding.
enum BodyParser {
  /// What a body is.
  enum Content {
    /// JSON, decoded to UTF-8 and without a byte order mark.
    case json([UInt8])
    /// The fields of an HTML form.
    case form(JSONObject)
    /// No body, an empty one, or one of a type that is not read.
    case nothing
  }

  /// The most parameters that a form may have.
  private static let mostParameters = 1000

  /// Reads a request's body.
  /// - Throws: ``RejectionReason/tooLarge(limit:)``, ``RejectionReason/unsupportedMedia(_:)`` or
  ///   ``RejectionReason/undecodable(_:)``.
  static func read(_ request: WebRequest) throws(RejectionReason) -> Content {
    // Node.js takes the first of several.
    let field = request.headers[values: .contentType].first
    guard field != "application/json" || request.headers[.contentEncoding] != nil else {
      // Nearly every request; the rest of this function would say the same.
      try checkLength(request.body)
      return .json(request.body.withoutMark)
    }
    guard hasBody(request), let field, let type = ContentType(field) else { return .nothing }
    let isForm = type.name == "application/x-www-form-urlencoded"
    guard isForm || type.name == "application/json" else { return .nothing }
    let charset = type.parameters["charset"]?.lowercased() ?? "utf-8"
    let isKnown = isForm ? ["utf-8", "iso-8859-1"].contains(charset) : charset.hasPrefix("utf-")
    guard isKnown else { throw .unsupportedMedia(unsupported(charset)) }
    let bytes = try unpacked(request)
    guard let text = decoded(bytes, charset) else { throw .unsupportedMedia(unsupported(charset)) }
    return isForm ? .form(try form(text)) : .json(text)
  }

  private static func unsupported(_ charset: String) -> String {
    "unsupported charset \"\(charset.uppercased())\""
  }

  /// Whether the head says that there is a body, or one is there: in process there need be no head.
  private static func hasBody(_ request: WebRequest) -> Bool {
    !request.body.isEmpty || request.headers[.contentLength] != nil
      || request.headers[.transferEncoding] != nil
  }

  private static func checkLength(_ bytes: [UInt8]) throws(RejectionReason) {
    let limit = ReportDialect.deployed.longestBody
    guard bytes.count <= limit else { throw .tooLarge(limit: limit) }
  }

  /// The body as it was before it was packed.
  private static func unpacked(_ request: WebRequest) throws(RejectionReason) -> [UInt8] {
    let limit = ReportDialect.deployed.longestBody
    let encoding = (request.headers[.contentEncoding] ?? "identity").lowercased()
    let format: Inflater.Format
    switch encoding {
    case "identity", "":
      try checkLength(request.body)
      return request.body
    case "gzip": format = .gzip
    case "deflate": format = .zlib
    case "br": format = .brotli
    default: throw .unsupportedMedia("unsupported content encoding \"\(encoding)\"")
    }
    do throws(InflateError) {
      return try Inflater.unpack(request.body, format, limit: limit)
    } catch .tooLarge(let limit) {
      throw .tooLarge(limit: limit)
    } catch {
      throw .undecodable(error.description)
    }
  }

  /// A text of a charset as UTF-8, without its byte order mark; nil for a charset that is none.
  private static func decoded(_ bytes: [UInt8], _ charset: String) -> [UInt8]? {
    switch charset {
    case "utf-8": bytes.withoutMark
    case "iso-8859-1": bytes.flatMap { Array(String(UnicodeScalar($0)).utf8) }
    case "utf-16":
      // Without a mark, the byte that is zero tells which half of an ASCII character comes first.
      utf16(
        bytes,
        isBigEndian: bytes.starts(with: [0xfe, 0xff])
          || (!bytes.starts(with: [0xff, 0xfe]) && bytes.first == 0))
    case "utf-16le": utf16(bytes, isBigEndian: false)
    case "utf-16be": utf16(bytes, isBigEndian: true)
    default: nil
    }
  }

  private static func utf16(_ bytes: [UInt8], isBigEndian: Bool) -> [UInt8] {
    let units = stride(from: 0, to: bytes.count - 1, by: 2).map { index in
      let (first, second) = (UInt16(bytes[index]), UInt16(bytes[index + 1]))
      return isBigEndian ? first << 8 | second : second << 8 | first
    }
    return Array(String(decoding: units, as: UTF16.self).utf8).withoutMark
  }

  /// The fields of a form as qs reads them: a name up to its first bracket, with all its values.
  ///
  /// Every value is a text, and no route takes a form whose every value is one; what stands in the
  /// brackets is not kept.
  private static func form(_ text: [UInt8]) throws(RejectionReason) -> JSONObject {
    let pairs = text.split(separator: UInt8(ascii: "&"))
    guard pairs.count <= mostParameters else { throw .tooManyParameters }
    var object = JSONObject()
    for pair in pairs {
      let parts = pair.split(
        separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
      let name = PercentEncoding.decodeForm(parts[0])
      let value = JSON.string(parts.count == 2 ? PercentEncoding.decodeForm(parts[1]) : "")
      guard let bracket = name.utf8.firstIndex(of: UInt8(ascii: "[")), bracket != name.startIndex
      else {
        object[name] = object[name].map { .array(($0.arrayValue ?? [$0]) + [value]) } ?? value
        continue
      }
      let root = String(name[..<bracket])
      let inside = name[bracket...].dropFirst().prefix { $0 != "]" }
      if inside.isEmpty || Int(inside).map({ (0...20).contains($0) }) == true {
        object[root] = .array((object[root]?.arrayValue ?? []) + [value])
      } else {
        object[root] = .object([String(inside): value])
      }
    }
    return object
  }
}

extension [UInt8] {
  /// The bytes without UTF-8's byte order mark.
  fileprivate var withoutMark: [UInt8] {
    starts(with: [0xef, 0xbb, 0xbf]) ? Array(dropFirst(3)) : self
  }
}

/// A media type with its parameters (RFC 9110 §8.3.1).
struct ContentType {
  /// Type and subtype, in lower case.
  let name: String
  /// The parameters, by their names in lower case.
  let parameters: [String: String]

  /// Reads a field; nil for one that is no media type, or has anything behind it.
  init?(_ field: String) {
    var rest = field[...].trimmingSpaces
    let head = rest.prefix { $0 != ";" }
    let type = head.trimmingSpaces
    let parts = type.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count == 2, parts.allSatisfy({ !$0.isEmpty && $0.utf8.allSatisfy(\.isTokenByte) })
    else { return nil }
    name = type.lowercased()
    rest = rest[head.endIndex...]
    var parameters: [String: String] = [:]
    while !rest.isEmpty {
      guard rest.first == ";" else { return nil }
      rest = rest.dropFirst().trimmingLeadingSpaces
      let key = rest.prefix { $0.utf8.allSatisfy(\.isTokenByte) }
      rest = rest[key.endIndex...].trimmingLeadingSpaces
      guard !key.isEmpty, rest.first == "=" else { return nil }
      rest = rest.dropFirst().trimmingLeadingSpaces
      let value: String
      if rest.first == "\"" {
        guard let quoted = Self.quoted(&rest) else { return nil }
        value = quoted
      } else {
        let token = rest.prefix { $0.utf8.allSatisfy(\.isTokenByte) }
        guard !token.isEmpty else { return nil }
        value = String(token)
        rest = rest[token.endIndex...]
      }
      rest = rest.trimmingLeadingSpaces
      parameters[key.lowercased()] = value
    }
    self.parameters = parameters
  }

  /// Reads a quoted string, and moves behind it.
  private static func quoted(_ rest: inout Substring) -> String? {
    var value = ""
    rest = rest.dropFirst()
    while let sign = rest.popFirst() {
      switch sign {
      case "\"": return value
      case "\\":
        guard let next = rest.popFirst() else { return nil }
        value.append(next)
      default: value.append(sign)
      }
    }
    return nil
  }
}

extension Substring {
  fileprivate var trimmingLeadingSpaces: Substring { drop { $0 == " " || $0 == "\t" } }

  fileprivate var trimmingSpaces: Substring {
    var rest = trimmingLeadingSpaces
    while let last = rest.last, last == " " || last == "\t" { rest.removeLast() }
    return rest
  }
}

extension UInt8 {
  /// Whether the byte may stand in a token (RFC 9110 §5.6.2).
  fileprivate var isTokenByte: Bool {
    switch self {
    case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "a")...UInt8(ascii: "z"):
      true
    default: "!#$%&'*+-.^_`|~".utf8.contains(self)
    }
  }
}
