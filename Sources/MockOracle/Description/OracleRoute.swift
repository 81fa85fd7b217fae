import HTTPTypes
import MockServing
import PlumiseWire

/// One way to ask the oracle something: what is described, counted and routed.
struct OracleRoute: Sendable {
  /// A parameter in the path, behind it, or among the header fields.
  struct Parameter: Sendable {
    enum Place: String, Sendable {
      case path
      case query
      case header
    }

    let name: String
    let place: Place
    let isRequired: Bool
    let schema: Schema
  }

  let method: HTTPRequest.Method
  /// The path, with `{names}` where a segment may be anything.
  let template: String
  /// The dialect that has it; nil for both.
  let dialect: ReportDialect?
  let summary: String
  var parameters: [Parameter] = []
  var body: Schema?
  /// What the answers' bodies are.
  var answerType = "application/json"
  /// The answers, by status.
  let answers: [(status: Int, description: String, schema: Schema)]

  /// Whether a path is one of the route's.
  func matches(_ path: String) -> Bool {
    let slash = UInt8(ascii: "/")
    let own = template.utf8.split(separator: slash, omittingEmptySubsequences: false)
    let asked = path.utf8.split(separator: slash, omittingEmptySubsequences: false)
    guard own.count == asked.count else { return false }
    return zip(own, asked).allSatisfy { mine, theirs in
      mine.first == UInt8(ascii: "{") ? !theirs.isEmpty : mine.elementsEqual(theirs)
    }
  }
}

extension OracleRoute.Parameter {
  static func path(_ name: String, _ schema: Schema = .text) -> Self {
    Self(name: name, place: .path, isRequired: true, schema: schema)
  }

  static func query(_ name: String, _ schema: Schema, required: Bool = false) -> Self {
    Self(name: name, place: .query, isRequired: required, schema: schema)
  }

  static func header(_ name: String) -> Self {
    Self(name: name, place: .header, isRequired: false, schema: .text)
  }
}
