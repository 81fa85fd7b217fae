import EthereumPrimitives
import HTTPTypes
import MockOracle
import MockServing
import PlumiseTesting
import PlumiseWire
import TestSupport
import Testing

@Suite("Fault orders", .timeLimit(.minutes(5))) struct FaultOrderTests {
  @Test(
    "An order that is wrong is refused by the member that is",
    arguments: [
      ("[]", "the order must be an object"), ("{}", "fault must be one of"),
      (#"{"fault":"fire"}"#, "fault must be one of"),
      (#"{"fault":"status","status":99}"#, "status must be a whole number from 200 to 599"),
      (#"{"fault":"delay","seconds":-1}"#, "seconds must be 0 to 86400"),
      (#"{"fault":"delay","seconds":"1"}"#, "seconds must be a number"),
      (#"{"fault":"delay","times":0}"#, "times must be a whole number"),
      (#"{"fault":"delay","likelihood":0}"#, "likelihood must be above 0"),
      (#"{"fault":"delay","agent":"0x12"}"#, "agent "),
      (#"{"fault":"delay","x":1}"#, "x is unknown"),
      (#"{"fault":"status"}"#, "status is missing: the fault status needs it"),
      (#"{"fault":"delay"}"#, "milliseconds is missing: the fault delay needs it"),
      (#"{"fault":"slow-body","bytes":6}"#, "milliseconds is missing"),
      (#"{"fault":"delay","milliseconds":-1}"#, "milliseconds must be 0 to 86400000"),
      (#"{"fault":"delay","milliseconds":1,"seconds":1}"#, "seconds is another name of"),
      (#"{"fault":"status","status":503,"milliseconds":1}"#, "milliseconds has no meaning"),
      (#"{"fault":"delay","count":-1}"#, "count must be a whole number"),
      (#"{"fault":"delay","skip":-1}"#, "skip must be a whole number"),
      (#"{"fault":"delay","probability":2}"#, "probability must be above 0 and up to 1"),
      (#"{"fault":"delay","count":1,"times":1}"#, "times is another name of count"),
      (#"{"fault":"reset-amid"}"#, "bytes is missing"),
      (#"{"fault":"too-many-requests"}"#, "retry_after is missing"),
      (#"{"fault":"status","status":null}"#, "status must be a whole number"),
      (#"{"fault":"delay","seconds":1,"status":503}"#, "status has no meaning for the fault delay"),
      (#"{"fault":"status","status":503,"seconds":1}"#, "seconds has no meaning"),
      (#"{"fault":"reset-before","bytes":1}"#, "bytes has no meaning"),
      (#"{"fault":"delay","seconds":1e400}"#, "seconds must be a number"),
      (#"{"fault":"status","status":18446744073709551615}"#, "status must be a whole number"),
    ])
  func refused(text: String, message: String) throws {
    let error = #expect(throws: FaultOrderError.self) {
      try FaultOrder(json: JSON.parse(text))
    }
    #expect(error?.description.hasPrefix(message) == true, "\(error?.description ?? "")")
  }

  @Test(
    "An order that says all that its fault needs is taken",
    arguments: [
      #"{"fault":"status","status":204}"#, #"{"fault":"delay","seconds":0}"#,
      #"{"fault":"slow-body","seconds":1}"#, #"{"fault":"slow-body","seconds":1,"bytes":9}"#,
      #"{"fault":"reset-amid","bytes":1}"#, #"{"fault":"too-many-requests","retry_after":0}"#,
      #"{"fault":"no-answer","times":null,"after":2,"likelihood":0.5}"#,
      #"{"fault":"no-answer","count":null,"skip":2,"probability":0.5}"#,
      #"{"fault":"delay","milliseconds":0}"#, #"{"fault":"slow-body","milliseconds":1,"bytes":9}"#,
    ])
  func complete(text: String) throws {
    let script = FaultScript()
    _ = try FaultOrder(json: JSON.parse(text)).add(to: script)
    #expect(script.remaining.count == 1)
  }

  @Test("A duration is the same by either of its names", arguments: ["delay", "slow-body"])
  func durations(fault: String) throws {
    for member in [#""milliseconds":1500"#, #""seconds":1.5"#] {
      let order = try FaultOrder(json: JSON.parse(#"{"fault":"\#(fault)",\#(member)}"#))
      switch order.fault {
      case .delay(let duration): #expect(duration == .milliseconds(1500))
      case .slowBody(let pace): #expect(pace.pause == .milliseconds(1500))
      default: Issue.record("\(order.fault)")
      }
    }
  }

  @Test(
    "An order meets the agent, the route and the count that it names, by either of their names",
    arguments: [("count", "skip"), ("times", "after")])
  func scoped(count: String, skip: String) async throws {
    let script = FaultScript()
    let (first, second) = (try testKey(1), try testKey(2))
    var order: JSONObject = [
      "fault": "status", "status": 503,
      "agent": .string(first.address.checksummed), "route": .string(ReportDialect.documented.path),
    ]
    (order[count], order[skip]) = (2, 1)
    _ = try FaultOrder(json: .object(order)).add(to: script)
    let own = WebRequest(
      .post, ReportDialect.documented.path, body: try signedReport(by: first).serialized())
    let other = WebRequest(
      .post, ReportDialect.documented.path, body: try signedReport(by: second).serialized())
    let elsewhere = WebRequest(.post, "/other", body: own.body)
    let met = [own, other, elsewhere, own, other, own, own].map { script.take(for: $0) != nil }
    #expect(met == [false, false, false, true, false, true, false])
  }

  @Test("What is likely is decided by the seed: the same for the same")
  func seeded() {
    func met(_ seed: UInt64) -> [Bool] {
      let script = FaultScript(seed: seed)
      script.add(.status(500), count: nil, probability: 0.3)
      return (0..<200).map { _ in script.take(for: WebRequest(.get, "/")) != nil }
    }
    #expect(met(7) == met(7) && met(7) != met(8))
    #expect((40...80).contains(met(7).count { $0 }))
  }

  @Test("Over the administration's port faults are ordered, listed, met and taken back")
  func administration() async throws {
    let faults = FaultScript()
    let oracle = MockOracle()
    try await oracle.withServer(faults: faults) { address async throws in
      try await oracle.withAdministration(of: faults) { admin async throws in
        func ask(_ method: String, _ path: String, _ body: String? = nil) async throws -> JSON {
          let answer = try await fetch(admin.url + path, method, body: body.map { Array($0.utf8) })
          return try JSON.parse(answer.body)
        }
        let id = try await ask("POST", "/faults", #"{"fault":"error-inside"}"#)["id"]
        _ = try await ask("POST", "/faults", #"{"fault":"malformed-json"}"#)
        _ = try await ask("POST", "/faults", #"{"fault":"wrong-content-type"}"#)
        let listed = try await ask("GET", "/faults")["faults"]
        #expect(listed?.arrayValue?.count == 3)
        #expect(
          listed?[0] == [
            "id": id ?? .null, "fault": "error-inside", "count": 1, "skip": 0, "probability": 1,
          ])
        #expect(try await ask("POST", "/faults", "{}")["error"] != nil)
        let inside = try await fetch(address.url + "/health")
        #expect(inside.status == 200)
        #expect(try JSON.parse(inside.body)["status"] == "error")
        let cut = try await fetch(address.url + "/health")
        #expect(throws: JSONError.self) { try JSON.parse(cut.body) }
        #expect(try await fetch(address.url + "/health").status == 200)
        #expect(try await ask("DELETE", "/faults/\(id?.integerValue ?? -1)")["error"] != nil)
        _ = try await ask("POST", "/faults", #"{"fault":"no-answer","times":null}"#)
        #expect(try await ask("DELETE", "/faults")["faults"] == [])
        // The port that nodes reach knows none of it.
        #expect(try await fetch(address.url + "/faults").status == 404)
        let report = try signedReport(by: testKey()).serialized()
        _ = try await fetch(address.url + ReportDialect.documented.path, "POST", body: report)
        _ = try await fetch(address.url + ReportDialect.documented.path, "POST", body: report)
        let journal = try await ask("GET", "/journal?agent=\(testKey().address)")
        #expect(journal["entries"]?[1]?["reason"]?.stringValue?.contains("not above") == true)
      }
    }
  }

  @Test("A slow body comes piece by piece, on the script's clock")
  func slowBody() async throws {
    let clock = ManualClock()
    let faults = FaultScript(clock: clock)
    faults.add(.slowBody(.init(bytes: 6, pause: .seconds(10))))
    try await withWebServer(faults: faults, respond: { _ in .text("one by one") }) {
      address async throws in
      try await RawClient.connected(to: address) { client async throws in
        try await client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        try await clock.advanceToNextDeadline()
        let first = try await client.wait(for: "one by")
        #expect(!first.contains("one by one"))
        try await clock.advanceToNextDeadline()
        try await client.wait(for: "one by one")
        // The connection goes on.
        try await client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        try await client.wait(for: "one by oneHTTP/1.1 200 OK")
      }
    }
  }
}
