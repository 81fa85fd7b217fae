import Foundation
import MockServing
import PlumiseWire
import Subprocess
import Testing

@Suite("A node and its oracle", .timeLimit(.minutes(5)))
struct NodeReportTests {
  private let node = ["node", "--model", ServiceTests.model, "--blocks", "0-23", "--port", "0"]

  @Test("A node reports in the deployed dialect, and what it sent last is in its file")
  func deployed() async throws {
    try await withTemporaryFolder { folder in
      let key = try folder.write("key", Array((WalletTests.key + "\n").utf8))
      let spool = folder.file("proofs")
      let (node, arguments) = (node, ["oracle", "--port", "0", "--json", "--dialect", "deployed"])
      _ = try await Command.withService(arguments) { oracle in
        let url = try await oracle.url()
        let options = [
          "--json", "--key-file", key, "--oracle", url, "--report-interval", "1",
          "--oracle-dialect", "deployed", "--proof-spool", spool,
        ]
        let result = try await Command.withService(node + options) { service in
          _ = try await service.event("reported")
          try service.send(.terminate)
        }
        #expect(result.status == .exited(0), "\(result.errors)")
        let agents = try await fetch(url + "/api/agents").body?.arrayValue ?? []
        #expect(agents.count == 1)
        #expect(agents.first?["wallet"]?.stringValue == WalletTests.address.lowercased())
        let lines = try String(contentsOfFile: spool, encoding: .utf8).split(separator: "\n")
        let last = try JSON.parse(Array(try #require(lines.last).utf8))
        #expect(
          last["timestamp"]?.integerValue.map(String.init)
            == agents.first?["updatedAt"]?.stringValue)
        try oracle.send(.terminate)
      }
    }
  }

  @Test("A report in the wrong dialect is trouble that names the status")
  func wrongDialect() async throws {
    try await withTemporaryFolder { folder in
      let key = try folder.write("key", Array((WalletTests.key + "\n").utf8))
      let (node, arguments) = (node, ["oracle", "--port", "0", "--json", "--dialect", "deployed"])
      _ = try await Command.withService(arguments) { oracle in
        let options = [
          "--json", "--key-file", key, "--oracle", try await oracle.url(),
          "--report-interval", "1",
        ]
        _ = try await Command.withService(node + options) { service in
          let message = try await service.event("trouble")["message"]?.stringValue
          #expect(message?.contains("404: Cannot POST /api/v1/report") == true)
          try service.send(.terminate)
        }
        try oracle.send(.terminate)
      }
    }
  }

  @Test("A file of certificates or of proofs that is none is refused by its name")
  func wrongFiles() async throws {
    try await withTemporaryFolder { folder in
      let key = try folder.write("key", Array((WalletTests.key + "\n").utf8))
      let none = try folder.write("none", Array("neither a certificate nor a proof\n".utf8))
      for option in ["--oracle-ca", "--proof-spool"] {
        let options = ["--key-file", key, "--oracle", "https://127.0.0.1:1", option, none]
        try await Command.run(node + options).expectRefusal(none)
      }
    }
  }
}
