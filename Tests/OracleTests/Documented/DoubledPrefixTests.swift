import EthereumPrimitives
import MockOracle
import MockServing
import PlumiseTesting
import PlumiseWire
import Testing

@Suite("Doubled prefixes", .timeLimit(.minutes(5))) struct DoubledPrefixTests {
  private static let hashes = ["modelHash", "inputHash", "outputHash", "proofHash"]

  private func proof(of key: SecretKey, doubling names: [String]) -> JSON {
    var proof = validProof(of: key.address.checksummed)
    for name in names { proof[name] = .string("0x" + (proof[name]?.stringValue ?? "")) }
    return .object(proof)
  }

  @Test("A proof whose hashes begin with 0x0x is kept as it came, noted, and its report counts")
  func kept() async throws {
    try await withTemporaryFolder { folder in
      let path = folder.appending(path: "o.sqlite").path
      let key = try testKey()
      for names in [Self.hashes, ["proofHash"], ["inputHash"]] {
        let file = path + names.joined()
        let report = try signedReport(by: key) { $0["proofs"] = [proof(of: key, doubling: names)] }
        do {
          let oracle = MockOracle(OracleConfiguration(log: try SQLiteReportLog(path: file)))
          #expect(await oracle.post(report).status == 200)
          let entry = try await oracle.journal.next(from: key.address)
          #expect(entry.notes.count == 1)
          #expect(
            entry.notes.first?.hasPrefix("\(names.count) hashes of proofs begin with 0x0x") == true)
          #expect(oracle.agent(key.address)?.proofCount == 1)
        }
        let oracle = MockOracle(
          OracleConfiguration(log: try SQLiteReportLog(path: file, patience: .seconds(60))))
        let held = try #require(oracle.proofs(of: key.address).first)
        let original = validProof(of: key.address.checksummed)
        for (name, text) in [
          ("modelHash", held.modelHash), ("inputHash", held.inputHash),
          ("outputHash", held.outputHash),
        ] {
          let plain = original[name]?.stringValue ?? ""
          #expect(text == (names.contains(name) ? "0x" : "") + plain)
        }
      }
    }
  }

  @Test("The notes stand in the administration's journal, and a proof without a fault has none")
  func administration() async throws {
    let oracle = MockOracle()
    let key = try testKey()
    for (offset, names) in [[], Self.hashes].enumerated() {
      let report = try signedReport(by: key, timestamp: 10 + Int64(offset)) {
        $0["proofs"] = [proof(of: key, doubling: names)]
      }
      #expect(await oracle.post(report).status == 200)
    }
    let answer = await oracle.administer(WebRequest(.get, "/journal"), FaultScript())
    let entries = try JSON.parse(answer.body)["entries"]?.arrayValue ?? []
    #expect(entries.map { $0["notes"]?.arrayValue?.count } == [nil, 1])
  }

  @Test(
    "A hash that is none behind its prefixes is refused as before, and in the deployed dialect both"
  )
  func refused() async throws {
    let key = try testKey()
    for text in ["0x0x", "0x0x12", "0x0x0x" + String(repeating: "1", count: 64), "0X0x1"] {
      let report = try signedReport(by: key) {
        var proof = validProof(of: key.address.checksummed)
        proof["inputHash"] = .string(text)
        $0["proofs"] = [.object(proof)]
      }
      let answer = await MockOracle().post(report)
      #expect(answer.status == 422)
      #expect(answer.message?.contains("payload.proofs.0.inputHash must be a hash") == true)
    }
    let deployed = try deployedReport(by: key) {
      let hash = JSON.string("0x0x" + String(repeating: "1", count: 64))
      $0["proofs"] = [["modelHash": hash, "inputHash": hash, "outputHash": hash, "tokenCount": 1]]
    }
    let answer = await MockOracle.deployed().post(deployed, to: ReportDialect.deployed.path)
    #expect(answer.status == 400)
  }
}
