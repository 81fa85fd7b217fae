import AsyncPrimitives
import HTTPTypes
import MockOracle
import MockServing
import PlumiseWire
import TestSupport
import Testing

/// The rules of the model registry's bodies on values of any kind, beside each rule as it is defined.
@Suite("Rules of the model registry", .timeLimit(.minutes(5))) struct ModelRuleTests {
  private let oracle = MockOracle.deployed()

  private static let values: [JSON?] = [
    nil, .null, "", "m", "dense", "moe", "active", "disabled", "Dense", 0, 1, -1,
    .number(JSONNumber(javaScript: 0.5)), true, [], ["dense"], [:],
  ]

  // MARK: - Rules

  private func filled(_ value: JSON?, _ name: String) -> [String] {
    let isEmpty = (value ?? .null).isNull || value == ""
    return (isEmpty ? ["\(name) should not be empty"] : []) + string(value, name)
  }

  private func string(_ value: JSON?, _ name: String) -> [String] {
    value?.stringValue == nil ? ["\(name) must be a string"] : []
  }

  private func least(_ least: Double, _ value: JSON?, _ name: String) -> [String] {
    let below = "\(name) must not be less than \(Int(least))"
    guard let number = value?.doubleValue else {
      return [below, "\(name) must be a number conforming to the specified constraints"]
    }
    return number < least ? [below] : []
  }

  private func oneOf(_ cases: [String], _ value: JSON?, _ name: String) -> [String] {
    cases.contains { value == .string($0) }
      ? [] : ["\(name) must be one of the following values: "]
  }

  private func optional(
    _ value: JSON?, _ rule: (JSON?, String) -> [String], _ name: String
  ) -> [String] {
    (value ?? .null).isNull ? [] : rule(value, name)
  }

  private func architecture(_ value: JSON?, _ name: String) -> [String] {
    oneOf(["dense", "moe"], value, name)
  }

  private func status(_ value: JSON?, _ name: String) -> [String] {
    oneOf(["active", "deprecated", "disabled"], value, name)
  }

  // MARK: - Bodies

  /// A body of some members, each of any value or not there.
  private func draw(
    _ names: [String], _ random: inout SeededGenerator
  ) -> JSONObject {
    var object = JSONObject()
    for name in names {
      if let value = Self.values.randomElement(using: &random) ?? nil { object[name] = value }
    }
    return object
  }

  private func send(
    _ method: HTTPRequest.Method, _ path: String, _ body: JSONObject
  ) async -> Answer {
    Answer(
      await oracle.respond(
        to: WebRequest(
          method, path, headers: [.contentType: "application/json"],
          body: JSON.object(body).serialized())))
  }

  private func model(_ id: String) -> JSONObject {
    [
      "modelId": .string(id), "displayName": "A model", "activeParams": 9, "totalParams": 9,
      "arch": "dense", "minMemoryMb": 9, "totalLayers": 9,
    ]
  }

  private func register(_ id: String) async {
    let answer = await send(.post, "/api/models", model(id))
    #expect(answer.status == 201, "\(answer)")
  }

  // MARK: - Tests

  @Test("A new model's fields are refused exactly where their rules are broken")
  func registration() async throws {
    var random = SeededGenerator(seed: 14)
    var (refused, passed) = (0, 0)
    for number in 0..<2000 {
      var object = model("m\(number)")
      let names = ["modelId", "displayName", "activeParams", "arch", "totalLayers", "status"]
      for name in names.shuffled(using: &random).prefix(2) {
        object[name] = Self.values.randomElement(using: &random) ?? nil
      }
      let expected =
        filled(object["modelId"], "modelId") + filled(object["displayName"], "displayName")
        + least(0, object["activeParams"], "activeParams")
        + architecture(object["arch"], "arch")
        + least(1, object["totalLayers"], "totalLayers")
        + optional(object["status"], status, "status")
      let answer = await send(.post, "/api/models", object)
      #expect(answer.messages ?? [] == expected, "\(JSON.object(object))")
      if expected.isEmpty { passed += 1 } else { refused += 1 }
      // A name that was drawn, and not made, may have been drawn before.
      let isNew = object["modelId"] == .string("m\(number)")
      let statuses = !expected.isEmpty ? [400] : isNew ? [201] : [201, 409]
      #expect(statuses.contains(answer.status), "\(JSON.object(object)): \(answer)")
    }
    #expect(passed > 50 && refused > 1000, "\(passed) passed, \(refused) refused")
  }

  @Test("A change of a model is refused exactly where a rule of what it names is broken")
  func change() async throws {
    var random = SeededGenerator(seed: 16)
    var statuses: [Int: Int] = [:]
    for number in 0..<1500 {
      await register("m\(number)")
      let names = [
        "displayName", "activeParams", "totalParams", "arch", "minMemoryMb", "totalLayers",
        "status", "modelId",
      ]
      // A few members each time, so that often all of them are right.
      let object = draw(Array(names.shuffled(using: &random).prefix(2)), &random)
      let said: [[String]] = [
        object["modelId"] == nil ? [] : ["property modelId should not exist"],
        optional(object["displayName"], string, "displayName"),
        optional(object["activeParams"], { least(0, $0, $1) }, "activeParams"),
        optional(object["totalParams"], { least(0, $0, $1) }, "totalParams"),
        optional(object["arch"], architecture, "arch"),
        optional(object["minMemoryMb"], { least(0, $0, $1) }, "minMemoryMb"),
        optional(object["totalLayers"], { least(1, $0, $1) }, "totalLayers"),
        optional(object["status"], status, "status"),
      ]
      let expected = said.flatMap(\.self)
      let answer = await send(.patch, "/api/models/m\(number)", object)
      #expect(answer.messages ?? [] == expected, "\(JSON.object(object))")
      let hasNull = object.members.contains { $0.value.isNull }
      let active = object["activeParams"]?.doubleValue ?? 9
      let isAboveTotal = active > object["totalParams"]?.doubleValue ?? 9
      // No column holds null, and no model has more active parameters than parameters.
      let status = !expected.isEmpty ? 400 : hasNull ? 500 : isAboveTotal ? 400 : 200
      #expect(answer.status == status, "\(JSON.object(object)): \(answer)")
      statuses[status, default: 0] += 1
      guard status == 200 else { continue }
      for name in ["displayName", "arch", "status"] {
        guard let value = object[name] else { continue }
        #expect(answer.body?[name] == value)
      }
      let unknown = await send(.patch, "/api/models/x", object)
      #expect(unknown.status == 404)
    }
    for status in [200, 400, 500] { #expect(statuses[status, default: 0] > 20, "\(statuses)") }
  }

  @Test("A file's hash is refused exactly where a rule of its members is broken")
  func fileHash() async throws {
    var random = SeededGenerator(seed: 17)
    var (refused, passed) = (0, 0)
    for number in 0..<1000 {
      await register("m\(number)")
      var object = draw(["ggufHash", "quantType", "fileSizeMb"], &random)
      if number.isMultiple(of: 10) { object["hash"] = "ab" }
      let said: [[String]] = [
        object["hash"] == nil ? [] : ["property hash should not exist"],
        filled(object["ggufHash"], "ggufHash"), optional(object["quantType"], string, "quantType"),
        optional(object["fileSizeMb"], { least(0, $0, $1) }, "fileSizeMb"),
      ]
      let expected = said.flatMap(\.self)
      let answer = await send(.post, "/api/models/m\(number)/hashes", object)
      #expect(answer.messages ?? [] == expected, "\(JSON.object(object))")
      #expect(answer.status == (expected.isEmpty ? 201 : 400), "\(JSON.object(object)): \(answer)")
      if expected.isEmpty {
        passed += 1
        #expect(answer.body?["hash"] == object["ggufHash"])
        #expect(answer.body?["quantType"] == object["quantType"])
      } else {
        refused += 1
      }
    }
    #expect(passed > 20 && refused > 500, "\(passed) passed, \(refused) refused")
  }
}
