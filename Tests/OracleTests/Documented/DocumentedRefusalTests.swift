import EthereumPrimitives
import MockOracle
import MockServing
import PlumiseWire
import Testing

@Suite("Documented refusal", .timeLimit(.minutes(5))) struct DocumentedRefusalTests {
  @Test(
    "A malformed body is refused with 400 and the byte that is wrong", arguments: BadBody.malformed)
  func malformed(bad: BadBody) async {
    #expect(
      await MockOracle().post(bad.body)
        == Answer(
          status: bad.status, body: ["status": "error", "message": .string(bad.message)]))
  }

  @Test(
    "A body with a wrong field is refused with 422 and the field's path",
    arguments: BadBody.invalid + BadBody.proofs)
  func invalid(bad: BadBody) async {
    let answer = await MockOracle().post(bad.body)
    #expect(answer.status == bad.status)
    #expect(answer.message == bad.message)
    let details = answer.body?["detail"]?.arrayValue ?? []
    let rebuilt = details.map {
      "\($0["path"]?.stringValue ?? "?") \($0["message"]?.stringValue ?? "?")"
    }
    #expect("Validation failed: " + rebuilt.joined(separator: "; ") == bad.message)
  }

  @Test("Every fault of a body is listed at once")
  func everyFault() async {
    let answer = await MockOracle().post(
      ["payload": ["agent": 1, "processed_tokens": -1], "signature": nil])
    let paths = answer.body?["detail"]?.arrayValue?.map { $0["path"]?.stringValue ?? "" }
    #expect(
      paths == [
        "payload.agent", "payload.processed_tokens", "payload.avg_latency_ms",
        "payload.uptime_seconds", "payload.tasks_completed", "payload.timestamp", "signature",
      ])
  }

  @Test("A proof of another agent, or whose hash is not of its fields, is refused")
  func contradictions() async throws {
    let key = try testKey()
    let other = validProof(of: try testKey(2).address.checksummed)
    var forged = validProof(of: key.address.checksummed)
    forged["outputHash"] = .string(Hash32.zero.hex)
    let oracle = MockOracle()
    let foreign = await oracle.post(
      try signedReport(by: key) { $0["proofs"] = [.object(other)] })
    #expect(
      foreign.message
        == "Validation failed: payload.proofs.0.agentAddress must be the reporting agent "
        + key.address.checksummed)
    let wrongHash = await oracle.post(
      try signedReport(by: key) { $0["proofs"] = [.object(forged)] })
    #expect(wrongHash.status == 422)
    #expect(wrongHash.message?.contains("proofHash must be the hash of the other fields") == true)
  }

  @Test("A report whose payload was altered is refused: every single bit", .timeLimit(.minutes(5)))
  func bitFlips() async throws {
    let oracle = MockOracle()
    let body = ReportVector.first.documented.serialized()
    let signature = ReportVector.first.documented["signature"]?.stringValue ?? ""
    var refused: [Int: Int] = [:]
    for index in body.indices {
      for bit in 0..<8 {
        var flipped = body
        flipped[index] ^= 1 << bit
        // The same signature spelled with another case of a letter is the same signature.
        if let parsed = try? JSON.parse(flipped), parsed["payload"] == ReportVector.first.payload,
          parsed["signature"]?.stringValue?.lowercased() == signature
        {
          continue
        }
        let status = await oracle.post(flipped).status
        refused[status, default: 0] += 1
        #expect([400, 401, 422].contains(status), "bit \(bit) of byte \(index) gave \(status)")
      }
    }
    #expect(Set(refused.keys) == [400, 401, 422])
    #expect(refused.values.reduce(0, +) > 8 * body.count - 100)
    #expect(oracle.agents.isEmpty)
    // The unaltered report is accepted after all that.
    #expect(await oracle.post(body).status == 200)
  }

  @Test("A signature by somebody else is refused, and the journal says by whom")
  func wrongSigner() async throws {
    let (agent, stranger) = (try testKey(1), try testKey(2))
    let oracle = MockOracle()
    let report = try signedReport(by: stranger) {
      $0["agent"] = .string(agent.address.checksummed)
    }
    let reason = "signature recovers to \(stranger.address) but agent says \(agent.address)"
    #expect(
      await oracle.post(report)
        == Answer(
          status: 401,
          body: ["status": "error", "message": .string("Invalid signature: \(reason)")]))
    let entry = try await oracle.journal.next { $0.status == 401 }
    #expect(
      entry.refusal == .wrongSigner(recovered: stranger.address, claimed: agent.address))
    #expect(entry.refusal?.description == reason)
    #expect(entry.agent == agent.address)
  }

  @Test(
    "A signature that is none is refused with 401",
    arguments: [
      "", "0x", "0x1234", "hello", "0x" + String(repeating: "0", count: 130),
      "0x" + String(repeating: "f", count: 130), "0x" + String(repeating: "g", count: 130),
    ])
  func malformedSignature(signature: String) async throws {
    var report = try #require(try signedReport(by: testKey()).objectValue)
    report["signature"] = .string(signature)
    let answer = await MockOracle().post(.object(report))
    #expect(answer.status == 401)
    #expect(answer.message?.hasPrefix("Invalid signature: signature cannot be read: ") == true)
  }

  @Test("A signature without 0x, with high s, or with a wrong v is refused; v of 0 or 1 is taken")
  func signatureForms() async throws {
    let report = try #require(try signedReport(by: testKey()).objectValue)
    let signature = try Signature(hex: try #require(report["signature"]?.stringValue))
    func status(_ hex: String) async -> Int {
      var changed = report
      changed["signature"] = .string(hex)
      return await MockOracle().post(.object(changed)).status
    }
    let highS = signature.r.bigEndianBytes + (Signature.order - signature.s).bigEndianBytes
    #expect(await status(String(signature.hex.dropFirst(2))) == 401)
    #expect(await status(Hex.encode(highS + [27 + 1 - signature.yParity])) == 401)
    #expect(await status(Hex.encode(signature.bytes.dropLast() + [29])) == 401)
    #expect(await status(Hex.encode(signature.bytes.dropLast() + [signature.yParity])) == 200)
  }
}
