import HTTPTypes
import MockOracle
import MockServing
import PlumiseWire
import TestSupport
import Testing

@Suite("Model registry", .timeLimit(.minutes(5))) struct ModelRegistryTests {
  private let oracle = MockOracle.deployed()

  private func model(_ id: String, change: (inout JSONObject) -> Void = { _ in }) -> JSON {
    var object: JSONObject = [
      "modelId": .string(id), "displayName": "A model", "activeParams": 32_000_000_000,
      "totalParams": 32_000_000_000, "arch": "dense", "minMemoryMb": 20_000, "totalLayers": 64,
    ]
    change(&object)
    return .object(object)
  }

  private func send(
    _ method: HTTPRequest.Method, _ path: String, _ body: JSON? = nil
  ) async -> Answer {
    Answer(
      await oracle.respond(
        to: WebRequest(
          method, path, headers: body == nil ? [:] : [.contentType: "application/json"],
          body: body?.serialized() ?? [])))
  }

  private func error(_ status: Int, _ name: String, _ message: String) -> Answer {
    Answer(
      status: status,
      body: ["message": .string(message), "error": .string(name), "statusCode": .integer(status)])
  }

  @Test("A model is registered with its multiplier, listed, and found by its encoded name")
  func registers() async throws {
    let registered: JSON = [
      "modelId": "qwen/qwen3-32b", "displayName": "A model", "activeParams": "32000000000",
      "totalParams": "32000000000", "arch": "dense", "minMemoryMb": 20_000, "totalLayers": 64,
      "multiplier": 2262, "status": "active", "createdAt": "2026-02-04T10:13:20.000Z",
    ]
    #expect(
      await send(.post, "/api/models", model("qwen/qwen3-32b"))
        == Answer(status: 201, body: registered))
    #expect(await oracle.get("/api/models") == Answer(status: 200, body: [registered]))
    let found = await oracle.get("/api/models/qwen%2Fqwen3-32b").body
    #expect(found?["multiplier"] == 2262 && found?["deprecatedAt"] == .null)
    #expect(found?["hashes"] == [])
    #expect(
      await send(.post, "/api/models", model("qwen/qwen3-32b"))
        == error(409, "Conflict", "Model qwen/qwen3-32b already exists"))
    #expect(
      await oracle.get("/api/models/x") == error(404, "Not Found", "Model x not found"))
  }

  @Test(
    "The multiplier is ⌊(a + 0.04·(t − a))^0.9 · 100⌋ of billions",
    // Computed with Python: math.floor((a + 0.04 * (t - a)) ** 0.9 * 100).
    arguments: [
      (8_000_000_000, 8_000_000_000, 649), (32_000_000_000, 32_000_000_000, 2262),
      (17_000_000_000, 397_000_000_000, 2275), (0, 0, 0), (1_000_000_000, 1_000_000_000, 100),
    ] as [(Int64, Int64, Int64)])
  func multipliers(active: Int64, total: Int64, multiplier: Int64) async throws {
    let body = model("m") {
      $0["activeParams"] = .integer(active)
      $0["totalParams"] = .integer(total)
    }
    #expect(
      await send(.post, "/api/models", body).body?["multiplier"] == .integer(multiplier))
  }

  @Test("Lists have the greatest multiplier first, and all models by their status")
  func order() async throws {
    for (id, parameters, status) in [
      ("small", 1, "active"), ("old", 9, "deprecated"), ("large", 5, "active"),
      ("off", 7, "disabled"),
    ] {
      let body = model(id) {
        $0["activeParams"] = .integer(parameters * 1_000_000_000)
        $0["totalParams"] = .integer(parameters * 1_000_000_000)
        $0["status"] = .string(status)
      }
      #expect(await send(.post, "/api/models", body).status == 201)
    }
    func names(_ path: String) async -> [String] {
      await oracle.get(path).body?.arrayValue?.compactMap { $0["modelId"]?.stringValue } ?? []
    }
    #expect(await names("/api/models") == ["large", "small"])
    #expect(await names("/api/models/all") == ["large", "small", "old", "off"])
  }

  @Test("A change keeps what it does not name; a deletion deprecates, once")
  func changes() async throws {
    #expect(await send(.post, "/api/models", model("m")).status == 201)
    let changed = await send(.patch, "/api/models/m", ["totalParams": 40_000_000_000]).body
    #expect(changed?["activeParams"] == "32000000000" && changed?["totalParams"] == "40000000000")
    #expect(changed?["displayName"] == "A model" && changed?["deprecatedAt"] == .null)
    #expect(
      await send(.patch, "/api/models/m", ["activeParams": 41_000_000_000])
        == error(400, "Bad Request", "activeParams cannot exceed totalParams"))
    #expect(await send(.patch, "/api/models/m", ["displayName": nil]).status == 500)
    let deleted = await oracle.respond(to: WebRequest(.delete, "/api/models/m"))
    #expect(deleted.status == .noContent && deleted.body.isEmpty)
    #expect(
      await send(.delete, "/api/models/m")
        == error(400, "Bad Request", "Model m is already deprecated"))
    #expect(await send(.delete, "/api/models/x") == error(404, "Not Found", "Model x not found"))
    #expect(await oracle.get("/api/models").body == [])
    #expect(
      await oracle.get("/api/models/m").body?["deprecatedAt"] == "2026-02-04T10:13:20.000Z")
  }

  @Test("Hashes of files are added once, shown with the model, and removed")
  func hashes() async throws {
    #expect(await send(.post, "/api/models", model("m")).status == 201)
    let path = "/api/models/m/hashes"
    #expect(
      await send(.post, path, ["ggufHash": "ab", "quantType": "Q4"])
        == Answer(
          status: 201, body: ["id": 1, "modelId": "m", "hash": "ab", "quantType": "Q4"]))
    #expect(
      await send(.post, path, ["ggufHash": "ab"])
        == error(409, "Conflict", "Hash ab already exists for model m"))
    #expect(
      await oracle.get("/api/models/m").body?["hashes"]
        == [["hash": "ab", "quantType": "Q4", "fileSizeMb": nil]])
    #expect(
      await oracle.respond(to: WebRequest(.delete, path + "/ab")).status == .noContent)
    #expect(
      await send(.delete, path + "/ab") == error(404, "Not Found", "Hash not found for model m"))
    #expect(
      await send(.post, "/api/models/x/hashes", ["ggufHash": "ab"])
        == error(404, "Not Found", "Model x not found"))
  }

  @Test("A body is validated in class-validator's words, an enum's without its cases")
  func validation() async throws {
    let bad = model("") {
      $0["arch"] = "sparse"
      $0["totalLayers"] = 0
      $0["status"] = "gone"
      $0["x"] = 1
    }
    #expect(
      await send(.post, "/api/models", bad).messages == [
        "property x should not exist", "modelId should not be empty",
        "arch must be one of the following values: ", "totalLayers must not be less than 1",
        "status must be one of the following values: ",
      ])
    #expect(
      await send(.post, "/api/models/m/hashes", [:]).messages
        == ["ggufHash should not be empty", "ggufHash must be a string"])
    #expect(
      await send(.post, "/api/models", model("m") { $0["activeParams"] = 33_000_000_000 })
        == error(400, "Bad Request", "activeParams cannot exceed totalParams"))
    // What no column holds is an error that nothing catches.
    let large = model("m") { $0["minMemoryMb"] = 3_000_000_000 }
    #expect(
      await send(.post, "/api/models", large).body
        == ["statusCode": 500, "message": "Internal server error"])
  }
}
