import HTTPTypes
import MockServing
import PlumiseWire
import Synchronization

/// The routes of the deployed oracle's model registry; none asks who it is that changes a model.
extension DeployedRoutes {
  static let models: [OracleRoute] = [
    read(
      "/api/models", "", "The active models, the greatest multiplier first.", [],
      .list(.object(model)), errors: []
    ) { oracle in { _ in .array(oracle.models.withLock { $0.active }.map { modelJSON($0) }) } },
    write(
      .post, "/api/models", "", "Registers a model.", .modelRegistration, status: .created,
      .object(model), errors: [badRequest, conflict]
    ) { table, _, body, now throws(ModelTable.Refusal) in
      modelJSON(try table.register(body, at: now))
    },
    read(
      "/api/models", "/all", "All models, active ones first.", [],
      .list(.object(model + [deprecatedAt])), errors: []
    ) { oracle in
      { _ in
        .array(oracle.models.withLock { $0.all }.map { modelJSON($0, withDeprecation: true) })
      }
    },
    read(
      "/api/models", "/{id}", "One model with the hashes of its files.", [.path("id")],
      .object(model + [deprecatedAt, ("hashes", .list(.object(fileHash)))]), errors: [notFound]
    ) { oracle in
      { routed throws(ReadError) in
        let id = routed["id"]
        let (model, hashes) = try oracle.changeModels { table throws(ModelTable.Refusal) in
          (try table.model(id), table.hashes(of: id))
        }
        var object = modelObject(model, withDeprecation: true)
        object["hashes"] = .array(
          hashes.map { hash in
            [
              "hash": .string(hash.hash), "quantType": hash.quantization.map { .string($0) } ?? nil,
              "fileSizeMb": hash.fileSize.map { .integer($0) } ?? nil,
            ]
          })
        return .object(object)
      }
    },
    write(
      .patch, "/api/models", "/{id}", "Changes a model.", .modelUpdate, status: .ok,
      .object(model + [deprecatedAt]), errors: [badRequest, notFound]
    ) { table, values, body, now throws(ModelTable.Refusal) in
      modelJSON(try table.update(values["id"] ?? "", body, at: now), withDeprecation: true)
    },
    remove(
      "/{id}", "Marks a model as deprecated.", [.path("id")], errors: [badRequest, notFound]
    ) { table, values, now throws(ModelTable.Refusal) in
      try table.deprecate(values["id"] ?? "", at: now)
    },
    write(
      .post, "/api/models", "/{id}/hashes", "Adds the hash of a model's file.", .modelHash,
      status: .created,
      .object(
        [("id", .integer), ("modelId", .text), ("hash", .text)],
        optional: [("quantType", .nullable(.text)), ("fileSizeMb", .nullable(.integer))]),
      errors: [badRequest, notFound, conflict]
    ) { table, values, body, _ throws(ModelTable.Refusal) in
      let hash = try table.addHash(body, to: values["id"] ?? "")
      var object: JSONObject = [
        "id": .integer(hash.number), "modelId": .string(hash.model), "hash": .string(hash.hash),
      ]
      // What the body left out, the answer leaves out.
      if body["quantType"] != nil {
        object["quantType"] = hash.quantization.map { .string($0) } ?? .null
      }
      if body["fileSizeMb"] != nil {
        object["fileSizeMb"] = hash.fileSize.map { .integer($0) } ?? .null
      }
      return .object(object)
    },
    remove(
      "/{id}/hashes/{hash}", "Removes the hash of a model's file.", [.path("id"), .path("hash")],
      errors: [notFound]
    ) { table, values, _ throws(ModelTable.Refusal) in
      try table.removeHash(values["hash"] ?? "", of: values["id"] ?? "")
    },
  ]

  // MARK: - Entries

  private typealias Writing =
    @Sendable (inout ModelTable, [String: String], JSONObject, Int64) throws(ModelTable.Refusal) ->
    JSON

  /// A request with a body that is validated and changes the table.
  private static func write(
    _ method: HTTPRequest.Method, _ prefix: String, _ rest: String, _ summary: String,
    _ body: ClassValidator, status: HTTPResponse.Status, _ answer: Schema,
    errors: [OracleRoute.Answer], _ change: @escaping Writing
  ) -> OracleRoute {
    OracleRoute(
      method, prefix, rest, dialect: .deployed, summary: summary,
      parameters: rest.isEmpty ? [] : [.path("id")], body: body.schema,
      answers: [(status.code, "It was taken.", answer), tooLong, badMedia, unstorable] + errors
    ) { oracle, routed in
      let object: JSONObject
      do throws(RejectionReason) {
        object = try body.read(BodyParser.read(routed.request))
      } catch {
        return Reply(response: DeployedDialect.answer(to: error), outcome: .refused(error))
      }
      return await reply { () throws(ReadError) in
        let now = oracle.configuration.unixClock.seconds
        let json = try oracle.changeModels { table throws(ModelTable.Refusal) in
          try change(&table, routed.values, object, now)
        }
        return .json(json.serialized(), status: status)
      }
    }
  }

  /// A DELETE, whose answer has no body.
  private static func remove(
    _ rest: String, _ summary: String, _ parameters: [OracleRoute.Parameter],
    errors: [OracleRoute.Answer],
    _ change:
      @escaping @Sendable (inout ModelTable, [String: String], Int64)
      throws(ModelTable.Refusal) -> Void
  ) -> OracleRoute {
    OracleRoute(
      .delete, "/api/models", rest, dialect: .deployed, summary: summary, parameters: parameters,
      answers: [(204, "It was done.", .any)] + errors
    ) { oracle, routed in
      await reply { () throws(ReadError) in
        let now = oracle.configuration.unixClock.seconds
        try oracle.changeModels { table throws(ModelTable.Refusal) in
          try change(&table, routed.values, now)
        }
        return WebResponse(status: .noContent)
      }
    }
  }

  // MARK: - Answers

  private static let notFound = (404, "There is no such model.", error)
  private static let conflict = (409, "There is one already.", error)
  private static let unstorable = (500, "A number or a text that no column holds.", error)

  private static let model: [(String, Schema)] = [
    ("modelId", .text), ("displayName", .text), ("activeParams", .text), ("totalParams", .text),
    ("arch", .text), ("minMemoryMb", .integer), ("totalLayers", .integer),
    ("multiplier", .integer), ("status", .text), ("createdAt", .text),
  ]
  private static let deprecatedAt: (String, Schema) = ("deprecatedAt", .nullable(.text))
  private static let fileHash: [(String, Schema)] = [
    ("hash", .text), ("quantType", .nullable(.text)), ("fileSizeMb", .nullable(.integer)),
  ]

  private static func modelJSON(_ model: ModelTable.Model, withDeprecation: Bool = false) -> JSON {
    .object(modelObject(model, withDeprecation: withDeprecation))
  }

  private static func modelObject(
    _ model: ModelTable.Model, withDeprecation: Bool
  ) -> JSONObject {
    var object: JSONObject = [
      "modelId": .string(model.id), "displayName": .string(model.displayName),
      "activeParams": .string(String(model.activeParameters)),
      "totalParams": .string(String(model.totalParameters)), "arch": .string(model.architecture),
      "minMemoryMb": .integer(model.minimumMemory), "totalLayers": .integer(model.totalLayers),
      "multiplier": .integer(model.multiplier), "status": .string(model.status.rawValue),
      "createdAt": DeployedReads.date(model.createdAt),
    ]
    if withDeprecation {
      object["deprecatedAt"] = model.deprecatedAt.map { DeployedReads.date($0) } ?? .null
    }
    return object
  }
}

extension MockOracle {
  /// Reads or changes the models under their lock.
  fileprivate func changeModels<R: Sendable>(
    _ change: (inout ModelTable) throws(ModelTable.Refusal) -> R
  ) throws(ReadError) -> R {
    let result = models.withLock { table in
      Result { () throws(ModelTable.Refusal) in try change(&table) }
    }
    return try result.mapError(\.readError).get()
  }
}

extension ClassValidator {
  private static let architectures = ["dense", "moe"]
  private static let statuses = ModelTable.Model.Status.allCases.map(\.rawValue)

  /// `POST /api/models`.
  static let modelRegistration = ClassValidator([
    Property("modelId", .isFilledString), Property("displayName", .isFilledString),
    Property("activeParams", .min(0)), Property("totalParams", .min(0)),
    Property("arch", .isEnum(architectures)), Property("minMemoryMb", .min(0)),
    Property("totalLayers", .min(1)), Property("status", .isEnum(statuses), optional: true),
  ])

  /// `PATCH /api/models/:id`.
  static let modelUpdate = ClassValidator([
    Property("displayName", .isString, optional: true),
    Property("activeParams", .min(0), optional: true),
    Property("totalParams", .min(0), optional: true),
    Property("arch", .isEnum(architectures), optional: true),
    Property("minMemoryMb", .min(0), optional: true),
    Property("totalLayers", .min(1), optional: true),
    Property("status", .isEnum(statuses), optional: true),
  ])

  /// `POST /api/models/:id/hashes`.
  static let modelHash = ClassValidator([
    Property("ggufHash", .isFilledString), Property("quantType", .isString, optional: true),
    Property("fileSizeMb", .min(0), optional: true),
  ])
}
