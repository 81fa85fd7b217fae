import HTTPTypes
import JSONValues
import MockServing
import TestSupport
import Testing

@Suite("Orders of faults", .timeLimit(.minutes(5)))
struct FaultAdministrationTests {
  /// Orders are the status of an answer: enough to see what becomes of one.
  private func administration(of script: FaultScript) -> FaultAdministration {
    FaultAdministration(of: script) { order in
      guard let status = order["status"]?.integerValue else {
        throw FaultScheduleError("status", "must be a whole number")
      }
      return FaultRule(.status(Int(status)), try FaultSchedule(json: order.objectValue ?? [:]))
    }
  }

  @Test("Faults are listed, ordered and taken back, each by its id", arguments: ["", "/admin"])
  func routes(prefix: String) throws {
    let script = FaultScript(seed: 3)
    let administration = administration(of: script)
    func ask(
      _ method: HTTPRequest.Method, _ path: String, _ body: String = ""
    ) throws -> (status: Int, json: JSON) {
      let request = WebRequest(method, prefix + path, headers: [:], body: Array(body.utf8))
      let answer = try #require(administration.respond(to: request))
      return (answer.status.code, try JSON.parse(answer.body))
    }
    #expect(try ask(.get, "/faults").json == ["met": 0, "faults": []])
    #expect(try ask(.post, "/faults", #"{"status":503}"#).json == ["id": 0])
    let second = try ask(.post, "/faults", #"{"status":500,"count":2,"skip":1,"probability":0.5}"#)
    #expect(second.status == 201 && second.json == ["id": 1])
    _ = script.take(for: WebRequest(.get, "/"))
    let listed = try ask(.get, "/faults").json
    #expect(listed["met"] == 1 && listed["faults"]?.arrayValue?.count == 1)
    #expect(listed["faults"]?[0]?["count"] == 2 && listed["faults"]?[0]?["id"] == 1)
    #expect(try ask(.delete, "/faults/7").status == 404)
    #expect(try ask(.delete, "/faults/x").json["error"]?.stringValue?.contains("GET") == true)
    #expect(try ask(.delete, "/faults/1").json["faults"] == [])
    _ = try ask(.post, "/faults", #"{"status":503}"#)
    #expect(try ask(.delete, "/faults").json["faults"] == [] && script.isExhausted)
  }

  @Test("Who observes an administration hears of each change that was made, and of nothing refused")
  func observed() async throws {
    let changes = Journal<FaultAdministration.Change>()
    let observed = administration(of: FaultScript()).observed { changes.record($0) }
    for (method, path, body) in [
      (.post, "/faults", #"{"status":503}"#), (.post, "/faults", "{}"), (.get, "/faults", ""),
      (.delete, "/faults/7", ""), (.delete, "/faults/0", ""), (.delete, "/faults", ""),
    ] as [(HTTPRequest.Method, String, String)] {
      _ = observed.respond(to: WebRequest(method, path, body: Array(body.utf8)))
    }
    #expect(
      changes.entries == [
        .ordered(id: 0, order: ["status": 503]), .takenBack(id: "0"), .cleared,
      ])
  }

  @Test("Who observes an administration hears of a fault that has met all that it could, once")
  func usedUp() {
    let changes = Journal<FaultAdministration.Change>()
    let script = FaultScript()
    let observed = administration(of: script).observed { changes.record($0) }
    let order: JSON = ["status": 503, "count": 2]
    _ = observed.respond(to: WebRequest(.post, "/faults", body: order.serialized()))
    #expect(script.take(for: WebRequest(.get, "/")) != nil && changes.count == 1)
    #expect(script.take(for: WebRequest(.get, "/")) != nil)
    #expect(script.take(for: WebRequest(.get, "/")) == nil)
    #expect(changes.entries == [.ordered(id: 0, order: order), .usedUp(id: "0")])
  }

  @Test("Who observes a script hears of what is done in process as well, in the fault's own words")
  func script() {
    let changes = Journal<FaultAdministration.Change>()
    let script = FaultScript()
    script.observe { changes.record($0) }
    let id = script.add(.neverAnswer, count: nil)
    script.remove(id)
    script.remove(id)
    script.add(.drop(.midBody(after: 3), .reset))
    script.clear()
    let orders = changes.entries.compactMap { change -> String? in
      if case .ordered(_, let order) = change { order["fault"]?.stringValue } else { nil }
    }
    #expect(orders == ["no answer", "reset after 3 bytes of the answer"])
    #expect(changes.count == 4 && changes.entries[1] == .takenBack(id: "0"))
    #expect(changes.entries[3] == .cleared)
  }

  @Test("An order that is none is refused by the member that is wrong, and adds nothing")
  func refused() throws {
    let script = FaultScript()
    let administration = administration(of: script)
    for (body, message) in [
      ("{}", "status must be"), (#"{"status":500,"skip":-1}"#, "skip must be"), ("{", ""),
    ] {
      let request = WebRequest(.post, "/admin/faults", headers: [:], body: Array(body.utf8))
      let answer = try #require(administration.respond(to: request))
      #expect(answer.status == .badRequest)
      let error = try #require(JSON.parse(answer.body)["error"]?.stringValue)
      #expect(error.hasPrefix(message) && !error.isEmpty)
    }
    #expect(script.isExhausted)
    let put = try #require(administration.respond(to: WebRequest(.put, "/admin/faults")))
    #expect(put.status == .methodNotAllowed && put.headers[.allow] == "GET, POST, DELETE")
    for path in ["/", "/admin", "/fault", "/admin/faults/1/2", "/adminfaults"] {
      #expect(administration.respond(to: WebRequest(.get, path)) == nil, "\(path)")
    }
  }

  @Test("It is served on this machine's loopback interface, and says where the faults are")
  func served() async throws {
    let script = FaultScript()
    try await administration(of: script).withServer(of: "test") { address async throws in
      #expect(address.host == "127.0.0.1")
      let order: JSON = ["status": 503]
      #expect(try await fetch(address.url + "/admin/faults", json: order).status == 201)
      #expect(!script.isExhausted)
      let lost = try await fetch(address.url + "/")
      #expect(lost.status == 404)
      #expect(try lost.json["error"]?.stringValue?.contains("/admin/faults") == true)
    }
  }
}
