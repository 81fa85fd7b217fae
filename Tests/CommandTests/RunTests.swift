import Foundation
import PlumiseWire
import Subprocess
import TestSupport
import Testing

@Suite("Run and up", .timeLimit(.minutes(5)))
struct RunTests {
  private static let tiny = ["--model", "tiny", "--ports", "auto"]

  @Test("The whole flow runs with so many nodes, and every step passes", arguments: [1, 2, 3])
  func wholeFlow(_ nodes: Int) async throws {
    try await withTemporaryFolder { folder in
      let result = try await Command.run(
        ["run", "--nodes", "\(nodes)", "--report", folder.path, "--json", "--max-new-tokens", "8"]
          + Self.tiny)
      #expect(result.status == .exited(0), "\(result.errors)")
      let report = try result.json()
      #expect(report["ok"] == true)
      let steps = try #require(report["steps"]?.arrayValue)
      #expect(steps.count == 14)
      #expect(steps.allSatisfy { $0["ok"] == true }, "\(result.errors)")
      let ids = try #require(report["generation"]?["generated_ids"]?.arrayValue)
      let agents = try #require(report["agents"]?.arrayValue)
      #expect(agents.count == nodes)
      for agent in agents {
        #expect(agent["tokens_stored"]?.integerValue == Int64(ids.count))
        #expect(agent["proofs_verified"] == 1)
      }
      let written = try JSON.parse(Data(contentsOf: URL(filePath: folder.file("report.json"))))
      #expect(written == report)
      let page = try String(contentsOfFile: folder.file("report.html"), encoding: .utf8)
      for step in steps {
        let title = try #require(step["step"]?.stringValue)
        #expect(page.contains(title.replacing("'", with: "&#39;")))
      }
      #expect(!page.contains("src=") && !page.contains("href="), "the page needs nothing else")
      #expect(report["schema"] == "petals-e2e/run/1")
      let units = try String(contentsOfFile: folder.file("junit.xml"), encoding: .utf8)
      #expect(units.contains("tests=\"\(steps.count)\" failures=\"0\""))
      #expect(units.split(separator: "<testcase ").count == steps.count + 1)
      try checkLedger(report, tokens: ids.count, nodes: nodes)
      for (name, count) in [("events.jsonl", "events"), ("requests.jsonl", "requests")] {
        let lines = try String(contentsOfFile: folder.file(name), encoding: .utf8)
          .split(separator: "\n").map { try JSON.parse(String($0)) }
        #expect(Int64(lines.count) == report[count]?.integerValue && !lines.isEmpty, "\(name)")
      }
    }
  }

  /// Requires that every node's account has the generated tokens in each column, and balances.
  private func checkLedger(_ report: JSON, tokens: Int, nodes: Int) throws {
    let ledger = try #require(report["ledger"])
    #expect(ledger["balanced"] == true, "\(ledger.text)")
    let accounts = try #require(ledger["nodes"]?.arrayValue)
    #expect(accounts.count == nodes)
    for account in accounts {
      for column in ["served", "reported", "acknowledged"] {
        #expect(account[column] == .integer(tokens), "\(column): \(account.text)")
      }
      #expect(account["paid_wei"] == "0" && account["gaps"] == [])
    }
    #expect(report["ttft_ms"]?["count"] == 1)
    #expect(report["itl_ms"]?["count"] == .integer(tokens - 1))
    let lanes = report["time_line"]?["lanes"]?.arrayValue?.compactMap(\.stringValue) ?? []
    #expect(lanes == ["network", "oracle", "chain"] + (1...nodes).map { "node-\($0)" })
  }

  @Test(
    "The page of a report opens from disk, and its plots have the numbers of report.json",
    .enabled(if: Browser.isWanted, Browser.absence))
  func page() async throws {
    try await withTemporaryFolder { folder in
      let result = try await Command.run(
        ["run", "--report", folder.path, "--json", "--max-new-tokens", "8"] + Self.tiny)
      #expect(result.status == .exited(0), "\(result.errors)")
      let report = try result.json()
      try await Browser.with { browser in
        try await browser.open("file://" + folder.file("report.html"))
        let page = ReportOnDisk(browser: browser)
        try await page.checkHistory(report)
        for name in ["ttft", "tpot", "itl", "e2el"] {
          try await page.checkDistribution(name, report)
          try await page.checkPercentiles(name, ["p50", "p99.9", "max"], report)
        }
        let steps = try await browser.run(
          """
          return [...document.querySelectorAll("td[data-start]")].map((cell) =>
            [Number(cell.dataset.start), Number(cell.dataset.seconds)]);
          """)
        let written = (report["steps"]?.arrayValue ?? []).map { step -> JSON in
          [step["start"] ?? .null, step["seconds"] ?? .null]
        }
        let expected = JSON.array(written).withPlainNumbers
        #expect(steps.withPlainNumbers == expected && !written.isEmpty)
        for screen in Page.screens {
          try await browser.show(on: screen)
          try await Page(browser: browser).keepPicture(of: screen, as: "run")
        }
        #expect(try await browser.consoleErrors() == [])
      }
    }
  }

  @Test("A report folder that cannot be written is refused before anything starts")
  func unwritableReport() async throws {
    try await withTemporaryFolder { folder in
      // A file stands where the folder would be: refused for every user, root included.
      let file = try folder.write("file", [])
      let result = try await Command.run(["run", "--report", "\(file)/report"] + Self.tiny)
      result.expectRefusal("\(file)/report: Not a directory", "--report")
      #expect(result.output.isEmpty)
    }
  }

  @Test(
    "A documented port that is taken is refused by its number before anything starts",
    arguments: [26902, 3100, 31330, 31331] as [UInt16])
  func takenPort(_ port: UInt16) async throws {
    try await withTemporaryFolder { folder in
      let arguments = ["run", "--model", "tiny", "--report", folder.path, "--quiet"]
      var result = try await withTakenPort(port) { try await Command.run(arguments) }
      // Whoever had the port in our place may have let go of it.
      for _ in 0..<9 where result.status == .exited(0) {
        result = try await withTakenPort(port) { try await Command.run(arguments) }
      }
      // Somebody else may hold another of them meanwhile.
      result.expectRefusal("port ", "in use", "--ports auto")
    }
  }

  @Test("A port that is taken while the network starts gets the advice of run, not that of a node")
  func takenMeanwhile() async throws {
    try await withTemporaryFolder { folder in
      let arguments = ["run", "--model", "tiny", "--nodes", "9", "--report", folder.path]
      let taken = Holder<Int32>(-1)
      let result = try await Command.run(arguments) { _, line in
        if line.contains("the model is ready") { taken.set((try? listenOn(31338)) ?? -1) }
      }
      if taken.value >= 0 { close(taken.value) }
      // Whatever port it was, and whoever had it.
      #expect(result.status == .exited(2), "\(result.output)\(result.errors)")
      #expect(result.errors.contains("in use") && result.errors.contains("--ports auto"))
      result.expectKnownOptions()
    }
  }

  @Test("A node killed while the flow runs is named, and nothing is left")
  func killedInRun() async throws {
    let children = Holder<[Int32]>([])
    try await withTemporaryFolder { folder in
      let arguments = ["run", "--report", folder.path, "--max-new-tokens", "1000"] + Self.tiny
      let result = try await Command.run(arguments) { process, line in
        guard line.contains("the nodes are up") else { return }
        children.set(ChildProcesses.of(process))
        let victim = children.value.first { ChildProcesses.arguments(of: $0).contains("12-23") }
        if let victim { kill(victim, SIGKILL) }
      }
      #expect(result.status == .exited(1))
      let told = result.errors.split(separator: "\n").filter { $0.hasPrefix("petals-e2e: ") }
      #expect(told.count == 1, "\(result.errors)")
      let line = told.last ?? ""
      #expect(line.contains("node 2 (blocks 12-23) was killed by signal 9"), "\(result.errors)")
    }
    #expect(children.value.count == 4)
    #expect(children.value.allSatisfy { !ChildProcesses.isAlive($0) })
  }

  @Test("A missing model, and a prompt that does not fit, are refused before any process starts")
  func refusedModel() async throws {
    try await withTemporaryFolder { folder in
      let missing = try await Command.run(
        "run", "--model", "/nowhere/model", "--ports", "auto", "--report", folder.path, "--quiet")
      missing.expectRefusal("/nowhere/model", printing: "report: ")
      let long = try await Command.run(
        ["run", "--report", folder.path, "--quiet", "--max-new-tokens", "5000"] + Self.tiny)
      long.expectRefusal("2048", printing: "report: ")
      let report = try JSON.parse(Data(contentsOf: URL(filePath: folder.file("report.json"))))
      #expect(report["ok"] == false)
      #expect(report["services"] == [])
    }
  }

  @Test("What is up can be used, and stops without a trace")
  func up() async throws {
    let children = Holder<[Int32]>([])
    let result = try await Command.withService(["up", "--json"] + Self.tiny) { service in
      let network = try await service.event("up")
      children.set(ChildProcesses.of(service.processID))
      #expect(children.value.count == 4)
      let peers = try #require(network["nodes"]?.arrayValue).compactMap { $0["peer"]?.stringValue }
      let model = try #require(network["model"]?.stringValue)
      let generated = try await Command.run(
        "generate", "--model", model, "--prompt", "hello", "--max-new-tokens", "4",
        "--peers", peers.joined(separator: ","), "--json")
      #expect(generated.status == .exited(0), "\(generated.errors)")
      try service.send(.terminate)
    }
    #expect(result.status == .exited(0), "\(result.errors)")
    #expect(children.value.allSatisfy { !ChildProcesses.isAlive($0) })
  }

  @Test("A node that is killed is named, and takes everything else with it")
  func killedNode() async throws {
    let children = Holder<[Int32]>([])
    let result = try await Command.withService(["up", "--json"] + Self.tiny) { service in
      let network = try await service.event("up")
      children.set(ChildProcesses.of(service.processID))
      let victim = try #require(network["nodes"]?[1]?["pid"]?.integerValue)
      kill(Int32(victim), SIGKILL)
    }
    #expect(result.status == .exited(1))
    let last = result.errors.split(separator: "\n").last ?? ""
    #expect(last.contains("node 2 (blocks 12-23) was killed by signal 9"), "\(result.errors)")
    #expect(children.value.count == 4)
    #expect(children.value.allSatisfy { !ChildProcesses.isAlive($0) })
  }

}

/// Runs a body while something listens on a port of 127.0.0.1: a socket of ours, or whoever has the
/// port already.
func withTakenPort<R: Sendable>(_ port: UInt16, _ body: () async throws -> R) async throws -> R {
  let descriptor = try listenOn(port)
  defer { close(descriptor) }
  return try await body()
}

/// A socket that listens on a port of 127.0.0.1, or is bound to nothing where somebody else does.
private func listenOn(_ port: UInt16) throws -> Int32 {
  #if canImport(Glibc)
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
  #else
    let descriptor = socket(AF_INET, SOCK_STREAM, 0)
  #endif
  guard descriptor >= 0 else { throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO) }
  // As servers do: connections that linger after their end do not take a port.
  var yes: Int32 = 1
  setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
  var address = sockaddr_in()
  address.sin_family = sa_family_t(AF_INET)
  address.sin_port = port.bigEndian
  address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
  let size = socklen_t(MemoryLayout<sockaddr_in>.size)
  let failed = withUnsafePointer(to: &address) { pointer in
    pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
      bind(descriptor, $0, size) != 0 || listen(descriptor, 1) != 0
    }
  }
  if failed, errno != EADDRINUSE {
    let code = errno
    close(descriptor)
    throw POSIXError(POSIXErrorCode(rawValue: code) ?? .EIO)
  }
  return descriptor
}
