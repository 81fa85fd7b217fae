import HTTPTypes
public import PlumiseWire

/// The description of the oracle's interface (OpenAPI 3.1), made from the route table and the rules
/// that bodies are checked by.
public enum OpenAPI {
  /// The description of some dialects.
  public static func description(of dialects: Set<ReportDialect>) -> JSON {
    var paths = JSONObject()
    for route in RouteTable(of: dialects).routes {
      var item = paths[route.template]?.objectValue ?? JSONObject()
      item[route.method.rawValue.lowercased()] = operation(route)
      paths[route.template] = .object(item)
    }
    return [
      "openapi": "3.1.0",
      "info": [
        "title": "Plumise oracle", "version": "1",
        "description": .string(
          "Takes signed reports of nodes. Dialects: "
            + dialects.map(\.rawValue).sorted().joined(separator: ", ") + "."),
      ],
      "paths": .object(paths),
    ]
  }

  private static func operation(_ route: OracleRoute) -> JSON {
    var object: JSONObject = ["summary": .string(route.summary)]
    if let dialect = route.dialect { object["tags"] = [.string(dialect.rawValue)] }
    if !route.parameters.isEmpty {
      object["parameters"] = .array(
        route.parameters.map { parameter in
          [
            "name": .string(parameter.name), "in": .string(parameter.location.rawValue),
            "required": .bool(parameter.isRequired), "schema": parameter.schema.json,
          ]
        })
    }
    if let body = route.body {
      object["requestBody"] = ["required": true, "content": content(body)]
    }
    object["responses"] = .object(
      JSONObject(
        uniqueMembers: route.answers.map { answer in
          (
            String(answer.status),
            [
              "description": .string(answer.description),
              "content": content(answer.schema, route.answerType),
            ]
          )
        }))
    return .object(object)
  }

  private static func content(_ schema: Schema, _ type: String = "application/json") -> JSON {
    let media: JSON = ["schema": schema.json]
    return .object(JSONObject(uniqueMembers: [(type, media)]))
  }
}

/// What a value must be, as the description of the interface says it (JSON Schema 2020-12).
indirect enum Schema: Sendable {
  /// Anything.
  case any
  case text
  /// Text that is not empty.
  case filledText
  /// One of some texts.
  case oneOf([String])
  case flag
  /// An Ethereum address.
  case address
  /// 32 bytes.
  case hash
  /// 32 bytes, whose prefix may be doubled.
  case proofHash
  /// 66 hexadecimal characters, with or without `0x`.
  case looseHash
  /// A whole number that 64 bits hold, zero or more.
  case count
  /// A whole number of any sign.
  case integer
  /// A number of zero or more.
  case measure
  /// A number of at least so much.
  case number(least: Int)
  /// A number of any size.
  case anyNumber
  case url
  case constant(String)
  case list(Schema)
  case nullable(Schema)
  /// Members that must be there and others that may; nothing else where it is closed.
  case object([(String, Schema)], optional: [(String, Schema)] = [], isClosed: Bool = false)
  /// One of two.
  case either(Schema, Schema)

  var json: JSON {
    switch self {
    case .any: .object(JSONObject())
    case .text: ["type": "string"]
    case .filledText: ["type": "string", "minLength": 1]
    case .oneOf(let cases): ["enum": .array(cases.map { .string($0) })]
    case .flag: ["type": "boolean"]
    case .address: ["type": "string", "pattern": "^0x[0-9a-fA-F]{40}$"]
    case .hash: ["type": "string", "pattern": "^0x[0-9a-fA-F]{64}$"]
    case .proofHash: ["type": "string", "pattern": "^0x(0x)?[0-9a-fA-F]{64}$"]
    case .looseHash:
      [
        "type": "string", "minLength": 66, "maxLength": 66,
        "pattern": "^(0[xXhH])?[0-9a-fA-F]+$",
      ]
    case .count:
      ["type": "integer", "minimum": 0, "maximum": .integer(Int64.max)]
    case .integer: ["type": "integer"]
    case .measure: ["type": "number", "minimum": 0]
    case .number(let least): ["type": "number", "minimum": .integer(least)]
    case .anyNumber: ["type": "number"]
    case .url: ["type": "string", "format": "uri"]
    case .constant(let text): ["const": .string(text)]
    case .list(let element): ["type": "array", "items": element.json]
    case .nullable(let schema): ["anyOf": [schema.json, ["type": "null"]]]
    case .either(let one, let other): ["anyOf": [one.json, other.json]]
    case .object(let required, let optional, let isClosed):
      Self.object(required, optional, isClosed)
    }
  }

  private static func object(
    _ required: [(String, Schema)], _ optional: [(String, Schema)], _ isClosed: Bool
  ) -> JSON {
    let properties = (required + optional).map { ($0.0, $0.1.json) }
    var object: JSONObject = [
      "type": "object", "properties": .object(JSONObject(uniqueMembers: properties)),
    ]
    if !required.isEmpty { object["required"] = .array(required.map { .string($0.0) }) }
    if isClosed { object["additionalProperties"] = false }
    return .object(object)
  }
}
