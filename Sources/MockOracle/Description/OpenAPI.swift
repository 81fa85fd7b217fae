public import PlumiseWire

/// The description of the oracle's interface (OpenAPI 3.1), made from the rules that bodies are
/// checked by.
public enum OpenAPI {
  /// The description of some dialects.
  public static func description(of dialects: Set<ReportDialect>) -> JSON {
    var paths = JSONObject()
    for route in OracleRoutes.all(of: dialects) {
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
            "name": .string(parameter.name), "in": .string(parameter.place.rawValue),
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
