import EthereumPrimitives
import HTTPTypes
import MockServing
import PlumiseWire
import TextKeys

/// One route of the oracle: the entry that requests are dispatched by, that the interface is
/// described from, and that requests are counted under.
struct OracleRoute: Sendable {
  /// Answers a request of the route.
  typealias Handler = @Sendable (MockOracle, RoutedRequest) async -> Reply

  /// A parameter in the path, behind it, or among the header fields.
  struct Parameter: Sendable {
    enum Location: String, Sendable {
      case path
      case query
      case header
    }

    let name: String
    let location: Location
    let isRequired: Bool
    let schema: Schema
  }

  /// An answer as it is described.
  typealias Answer = (status: Int, description: String, schema: Schema)

  /// The method; HEAD is answered wherever GET is, and has no entries of its own.
  let method: HTTPRequest.Method
  /// The path, with `{names}` where a segment may be anything.
  let template: String
  /// The dialect that has it; nil for both.
  let dialect: ReportDialect?
  /// What it does, in a line.
  let summary: String
  let parameters: [Parameter]
  /// What a request's body must be; nil where none is read.
  let body: Schema?
  /// The content type of the answers' bodies.
  let answerType: String
  /// The answers, by status.
  let answers: [Answer]
  /// Answers a request of the route.
  let handler: Handler
  private let prefix: String
  private let segments: [Segment]
  private let allowsSegments: Bool
  /// The whole template, in lower case but for its parameters' names.
  private let deployedSegments: [Segment]

  /// A part of the template between two slashes.
  private enum Segment: Sendable {
    case literal(String)
    case parameter(String)
  }

  /// Makes a route whose template is a prefix and the segments behind it.
  /// - Parameters:
  ///   - method: the method.
  ///   - prefix: what a path must begin with, byte for byte.
  ///   - rest: the segments behind the prefix, `{names}` among them; empty segments of a path do
  ///     not count there, so that `/api/nodes/` is `/api/nodes`. Nil where nothing may follow, not
  ///     even a slash.
  ///   - dialect: the dialect that has the route; nil for both.
  ///   - summary: what it does, in a line.
  ///   - parameters: what a request may carry beside its body.
  ///   - body: what the body must be; nil where none is read.
  ///   - answerType: the content type of the answers.
  ///   - answers: the answers, by status.
  ///   - handler: answers a request.
  init(
    _ method: HTTPRequest.Method, _ prefix: String, _ rest: String? = nil, dialect: ReportDialect?,
    summary: String, parameters: [Parameter] = [], body: Schema? = nil,
    answerType: String = "application/json", answers: [Answer], handler: @escaping Handler
  ) {
    self.method = method
    self.prefix = prefix
    template = prefix + (rest ?? "")
    self.dialect = dialect
    self.summary = summary
    self.parameters = parameters
    self.body = body
    self.answerType = answerType
    self.answers = answers
    self.handler = handler
    allowsSegments = rest != nil
    segments = (rest ?? "").split(separator: "/").map { Self.segment($0) }
    deployedSegments = template.split(separator: "/").map { segment in
      segment.hasPrefix("{") ? Self.segment(segment) : .literal(segment.lowercased())
    }
  }

  private static func segment(_ text: Substring) -> Segment {
    text.hasPrefix("{") ? .parameter(String(text.dropFirst().dropLast())) : .literal(String(text))
  }

  /// The values of the template's parameters in a path as Express routes it: letters of either case,
  /// one slash behind the path, and a segment for each parameter, still encoded.
  func matchDeployed(_ segments: [Substring.UTF8View]) -> [String: String]? {
    guard segments.count == deployedSegments.count else { return nil }
    var values: [String: String] = [:]
    for (segment, text) in zip(deployedSegments, segments) {
      switch segment {
      case .literal(let literal):
        guard literal.utf8.elementsEqual(text, by: { $0 == $1.lowercased }) else { return nil }
      case .parameter(let name):
        guard !text.isEmpty else { return nil }
        values[name] = String(Substring(text))
      }
    }
    return values
  }

  /// Whether the template is a path: one without parameters.
  var isFixed: Bool { !template.utf8.contains(UInt8(ascii: "{")) }

  /// The values of the template's parameters in a path; nil for a path that is not the route's.
  func match(_ path: String) -> [String: String]? {
    guard path.starts(withExactly: prefix) else { return nil }
    let rest = path.utf8.dropFirst(prefix.utf8.count)
    guard allowsSegments else { return rest.isEmpty ? [:] : nil }
    guard rest.isEmpty || rest.first == UInt8(ascii: "/") else { return nil }
    let found = rest.split(separator: UInt8(ascii: "/"))
    guard found.count == segments.count else { return nil }
    var values: [String: String] = [:]
    for (segment, text) in zip(segments, found) {
      switch segment {
      case .literal(let literal): guard literal.utf8.elementsEqual(text) else { return nil }
      case .parameter(let name): values[name] = String(decoding: text, as: UTF8.self)
      }
    }
    return values
  }
}

extension OracleRoute.Parameter {
  static func path(_ name: String, _ schema: Schema = .text) -> Self {
    Self(name: name, location: .path, isRequired: true, schema: schema)
  }

  static func query(_ name: String, _ schema: Schema, required: Bool = false) -> Self {
    Self(name: name, location: .query, isRequired: required, schema: schema)
  }

  static func header(_ name: String) -> Self {
    Self(name: name, location: .header, isRequired: false, schema: .text)
  }
}

/// A request that a route was found for.
struct RoutedRequest: Sendable {
  let request: WebRequest
  /// The values of the template's parameters in its path.
  let values: [String: String]

  /// The value of a parameter of the template; empty for a name that the template lacks.
  subscript(parameter: String) -> String { values[parameter] ?? "" }
}

/// An answer on its way out, with what the journal and the metrics are to hold about it.
struct Reply: Sendable {
  var response: WebResponse
  var outcome: OracleEntry.Outcome
  var agent: Address?
  /// The dialect of the route, when it has one.
  var dialect: ReportDialect?
  var notes: [String] = []
  /// The template of the path that was asked for; nil where no route has it.
  var template: String?

  /// An answer to a read.
  static func served(_ json: JSON, status: HTTPResponse.Status = .ok) -> Reply {
    Reply(response: .json(json.serialized(), status: status), outcome: .served)
  }
}

/// Every route of the dialects that an oracle speaks.
struct RouteTable: Sendable {
  /// What the table says about a method and a path.
  enum Lookup: Sendable {
    /// The route, and the values of its parameters in the path.
    case found(OracleRoute, [String: String])
    /// A route whose parameter cannot be decoded, and the parameter.
    case undecodable(OracleRoute, String)
    /// The routes that the path has with other methods.
    case otherMethods([OracleRoute])
    /// No route has the path.
    case unknownPath

    /// The template of the path, whatever the method is.
    var template: String? {
      switch self {
      case .found(let route, _), .undecodable(let route, _): route.template
      case .otherMethods(let routes): routes.first?.template
      case .unknownPath: nil
      }
    }
  }

  /// The routes, in the order in which they are described.
  let routes: [OracleRoute]
  /// Those whose templates are paths, as most requests' are: a report's path needs no search.
  private let fixed: TextDictionary<[OracleRoute]>

  init(of dialects: Set<ReportDialect>) {
    routes =
      OperationsRoutes.table + (dialects.contains(.documented) ? DocumentedRoutes.table : [])
      + (dialects.contains(.deployed) ? DeployedRoutes.table : [])
    var fixed: TextDictionary<[OracleRoute]> = [:]
    for route in routes where route.isFixed { fixed[route.template, default: []].append(route) }
    self.fixed = fixed
  }

  /// Finds the route of a request; HEAD is answered wherever GET is.
  func find(_ request: WebRequest) -> Lookup {
    let method = request.method == .head ? .get : request.method
    let path = request.path
    // The deployed oracle decodes parameters, and nothing else of a path.
    if let route = fixed[path]?.first(where: { $0.method == method }),
      route.dialect != .deployed || !request.target.utf8.contains(UInt8(ascii: "%"))
    {
      return .found(route, [:])
    }
    let segments = request.deployedSegments
    var others: [OracleRoute] = []
    for route in routes {
      let isDeployed = route.dialect == .deployed
      let found = isDeployed ? segments.flatMap(route.matchDeployed) : route.match(path)
      guard var values = found else { continue }
      guard route.method == method else {
        others.append(route)
        continue
      }
      guard isDeployed else { return .found(route, values) }
      for (name, text) in values {
        guard let value = PercentEncoding.decodeComponent(text) else {
          return .undecodable(route, text)
        }
        values[name] = value
      }
      return .found(route, values)
    }
    return others.isEmpty ? .unknownPath : .otherMethods(others)
  }
}

extension WebRequest {
  /// The segments of the path as it stands in the request line; nil for one that begins with no
  /// slash, or in which a segment is empty other than behind the last slash.
  fileprivate var deployedSegments: [Substring.UTF8View]? {
    // Where nothing is encoded, the path is as it was sent.
    let sent =
      target.utf8.contains(UInt8(ascii: "%"))
      ? target.prefix { $0 != "?" && $0 != "#" } : Substring(path)
    var segments = sent.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
    guard segments.count > 1, segments.removeFirst().isEmpty else { return nil }
    if segments.last?.isEmpty == true { segments.removeLast() }
    return segments.contains(where: \.isEmpty) ? nil : segments
  }
}

extension UInt8 {
  /// The byte, in lower case where it is one of ASCII's letters.
  fileprivate var lowercased: UInt8 {
    (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(self) ? self | 0x20 : self
  }
}
