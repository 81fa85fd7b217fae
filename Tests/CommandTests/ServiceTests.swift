import AsyncHTTPClient
import Foundation
import NIOCore
import PlumiseWire
import Subprocess
import TestVectors
import Testing

@Suite("Services", .timeLimit(.minutes(5)))
struct ServiceTests {
  static let model = TestVectors.bloom(.tinyF16).path
  static let services: [[String]] = [
    ["chain", "--port"], ["oracle", "--port"],
    ["node", "--model", model, "--blocks", "0-23", "--port"],
    ["node", "--model", model, "--blocks", "0-23", "--port", "0", "--http-port"],
  ]

  @Test("A service says where it listens, and stops when told to", arguments: services)
  func listensAndStops(_ arguments: [String]) async throws {
    let result = try await Command.withService(arguments + ["0", "--json"]) { service in
      let name = arguments.contains("--http-port") ? "node-http" : arguments[0]
      let line = try await service.lines.next { $0.contains("\"service\":\"\(name)\"") }
      let event = try JSON.parse(line)
      #expect(event["event"] == "listening")
      let scheme = name == "node" ? "grpc" : "http"
      #expect(event["url"]?.stringValue?.hasPrefix("\(scheme)://127.0.0.1:") == true)
      try service.send(.terminate)
    }
    #expect(result.status == .exited(0))
    #expect(result.errors.isEmpty, "\(result.errors)")
  }

  @Test("Ctrl-C is no failure of a service")
  func interrupt() async throws {
    let result = try await Command.withService(["chain", "--port", "0", "--json"]) { service in
      _ = try await service.url()
      try service.send(.interrupt)
    }
    #expect(result.status == .exited(0))
  }

  #if os(Linux)
    @Test("A login that allows few open files does not limit a service")
    func openFiles() async throws {
      _ = try await Command.withService(
        ["oracle", "--port", "0", "--json"], after: "ulimit -Sn 100"
      ) { service in
        _ = try await service.url()
        let limits = try String(
          contentsOfFile: "/proc/\(service.processID)/limits", encoding: .utf8)
        let line = try #require(
          limits.split(separator: "\n").first { $0.hasPrefix("Max open files") })
        let numbers = line.split(separator: " ").compactMap { Int($0) }
        try #require(numbers.count == 2, "\(line)")
        let (soft, hard) = (numbers[0], numbers[1])
        #expect(soft == min(hard, 65_536))
        try service.send(.terminate)
      }
    }
  #endif

  @Test("A port in use is refused by its number", arguments: services)
  func portInUse(_ arguments: [String]) async throws {
    _ = try await Command.withService(["chain", "--port", "0", "--json"]) { other in
      let url = try await other.url()
      let port = try #require(url.split(separator: ":").last.map(String.init))
      try await Command.run(arguments + [port]).expectRefusal("port \(port)", "in use")
      try other.send(.terminate)
    }
  }

  @Test("The ten accounts of the chain are those of the well-known mnemonic")
  func accounts() async throws {
    let result = try await Command.withService(["chain", "--port", "0"]) { service in
      _ = try await service.lines.next { $0.hasPrefix("listening on http://127.0.0.1:") }
      try service.send(.terminate)
    }
    #expect(result.output.contains(WalletTests.address))
    #expect(result.output.contains(WalletTests.key))
    #expect(result.output.contains("0xa0Ee7A142d267C1f36714E4a8F75612F20a79720"))
  }

  @Test("What --block-time says wins over what the chain's file remembers")
  func blockTimeOverState() async throws {
    try await withTemporaryFolder { folder in
      let chain = ["chain", "--port", "0", "--json", "--state", folder.file("chain.jsonl")]
      let said: [(arguments: [String], isAutomatic: Bool)] = [
        (["--block-time", "3600"], false), ([], false), (["--block-time", "0"], true), ([], true),
      ]
      for (arguments, isAutomatic) in said {
        _ = try await Command.withService(chain + arguments) { service in
          var request = HTTPClientRequest(url: try await service.url())
          request.method = .POST
          request.headers.add(name: "Content-Type", value: "application/json")
          let call = RPCRequest(id: 1, method: "eth_mining", params: []).json
          request.body = .bytes(ByteBuffer(bytes: call.serialized()))
          let response = try await HTTPClient.shared.execute(request, timeout: .seconds(30))
          let answer = try JSON.parse(
            try await response.body.collect(upTo: 1 << 16).readableBytesView)
          #expect(answer["result"] == .bool(isAutomatic))
          try service.send(.terminate)
        }
      }
    }
  }

  @Test("With --json the chain's accounts come with the line that says where it listens")
  func accountsInJSON() async throws {
    _ = try await Command.withService(["chain", "--port", "0", "--json"]) { service in
      let accounts = try #require(try await service.event("listening")["accounts"]?.arrayValue)
      #expect(accounts.count == 10)
      #expect(accounts.first?["address"]?.stringValue == WalletTests.address)
      #expect(accounts.first?["key"]?.stringValue == WalletTests.key)
      try service.send(.terminate)
    }
  }
}
