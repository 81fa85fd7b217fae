import EthereumPrimitives
import Foundation
import InferenceMetrics
import Logging
import MockOracle
import OracleReporter
import PlumiseWire
import SystemErrors
import TestSupport
import Testing

@Suite("Proof buffer", .timeLimit(.minutes(5))) struct ProofBufferTests {
  private func proof(_ number: Int) -> InferenceProof {
    InferenceProof(
      model: "m", input: "in \(number)", output: "out", agent: .zero, tokenCount: Int64(number))
  }

  @Test("A batch that was not acknowledged comes again")
  func keptUntilAcknowledged() {
    let buffer = ProofBuffer()
    (1...5).map(proof).forEach(buffer.append)
    let batch = buffer.batch(limit: 3)
    #expect(batch.proofs == [proof(1), proof(2), proof(3)])
    #expect(buffer.batch(limit: 3) == batch)
    #expect(buffer.count == 5)
  }

  @Test("Acknowledging lets go of exactly the batch, once")
  func acknowledged() {
    let buffer = ProofBuffer()
    (1...5).map(proof).forEach(buffer.append)
    let batch = buffer.batch(limit: 3)
    buffer.append(proof(6))
    buffer.acknowledge(batch)
    buffer.acknowledge(batch)
    #expect(buffer.pending == [proof(4), proof(5), proof(6)])
    buffer.acknowledge(buffer.batch())
    #expect(buffer.pending.isEmpty && buffer.batch().isEmpty)
  }
}

@Suite("Proof spool", .timeLimit(.minutes(5))) struct ProofSpoolTests {
  private func proof(_ number: Int) -> InferenceProof {
    InferenceProof(
      model: "m", input: "in \(number)", output: "out", agent: .zero, tokenCount: Int64(number))
  }

  /// What waits in a copy of the file: the file itself belongs to the buffer that writes it.
  private func pending(_ file: URL) throws -> ProofBuffer {
    let copy = file.appendingPathExtension(UUID().uuidString)
    try FileManager.default.copyItem(at: file, to: copy)
    return try ProofBuffer(spool: copy)
  }

  @Test("A process that starts again has every proof that was not accepted, and no other")
  func restarts() async throws {
    try await withTemporaryFolder { folder in
      let file = folder.appending(path: "proofs")
      func firstLife() throws {
        let first = try ProofBuffer(spool: file)
        (1...5).map(proof).forEach(first.append)
        first.acknowledge(first.batch(limit: 2))
        first.note(timestamp: 77)
      }
      func secondLife() throws {
        let second = try ProofBuffer(spool: file)
        #expect(second.pending == (3...5).map(proof))
        #expect(second.lastTimestamp == 77 && second.isSpooled)
        second.acknowledge(second.batch())
      }
      try firstLife()
      try secondLife()
      #expect(try ProofBuffer(spool: file).pending.isEmpty)
    }
  }

  @Test("The file does not grow with what is past")
  func compacts() async throws {
    try await withTemporaryFolder { folder in
      let file = folder.appending(path: "proofs")
      let buffer = try ProofBuffer(spool: file)
      for number in 0..<5000 {
        buffer.append(proof(number))
        buffer.acknowledge(buffer.batch())
      }
      buffer.append(proof(1))
      let size = try #require(
        FileManager.default.attributesOfItem(atPath: file.path)[.size] as? Int)
      #expect(size < 600_000, "\(size) bytes")
      #expect(try pending(file).pending == [proof(1)])
    }
  }

  @Test("The file does not grow with reports that carry no proof")
  func compactsTimestamps() async throws {
    try await withTemporaryFolder { folder in
      let file = folder.appending(path: "proofs")
      let buffer = try ProofBuffer(spool: file)
      buffer.append(proof(1))
      for timestamp in 1...5000 as ClosedRange<Int64> { buffer.note(timestamp: timestamp) }
      let size = try #require(
        FileManager.default.attributesOfItem(atPath: file.path)[.size] as? Int)
      #expect(size < 30_000, "\(size) bytes")
      let again = try pending(file)
      #expect(again.pending == [proof(1)] && again.lastTimestamp == 5000)
    }
  }

  @Test("A file that can be written no more is told once, loudly, and the proofs stay in memory")
  func unwritable() async throws {
    try await withTemporaryFolder { folder in
      let inside = folder.appending(path: "gone")
      try FileManager.default.createDirectory(at: inside, withIntermediateDirectories: true)
      let proofs = try ProofBuffer(spool: inside.appending(path: "proofs"))
      try FileManager.default.removeItem(at: inside)
      let (logger, levels) = Logger.recording()
      let reporting = try ReporterFixture(
        to: "http://oracle.test", transport: InMemoryReportTransport(MockOracle()), proofs: proofs,
        logger: logger)
      // The file is written anew after a thousand lines, and finds no folder.
      for timestamp in 1...1001 as ClosedRange<Int64> { proofs.note(timestamp: timestamp) }
      reporting.collector.recordProof(reporting.proof(1))
      for _ in 0..<3 { #expect(await reporting.reporter.reportNow().isAccepted) }
      #expect(proofs.spoolFailure != nil && !proofs.isSpooled)
      #expect(levels.count(of: .error) == 1)
      #expect(proofs.count == 0)
    }
  }

  @Test("A line that a crash cut off is dropped; one that is no proof is refused by its number")
  func tornLine() async throws {
    try await withTemporaryFolder { folder in
      let file = folder.appending(path: "proofs")
      func write() throws {
        let buffer = try ProofBuffer(spool: file)
        (1...2).map(proof).forEach(buffer.append)
      }
      try write()
      var bytes = try Data(contentsOf: file)
      bytes.removeLast(20)
      try bytes.write(to: file)
      #expect(try ProofBuffer(spool: file).pending == [proof(1)])
      try Data("{\"proof\":{}}\n".utf8).write(to: file)
      let error = #expect(throws: FileError.self) { try ProofBuffer(spool: file) }
      #expect(error?.path == file.path && error?.reason.contains("line 1") == true)
    }
  }

  @Test("A second buffer on the same file is refused, until the first one is gone")
  func oneOwner() async throws {
    try await withTemporaryFolder { folder in
      let file = folder.appending(path: "proofs")
      func life() throws {
        let buffer = try ProofBuffer(spool: file)
        // More than a thousand lines of the past: the file is written anew.
        for timestamp in 1...1500 as ClosedRange<Int64> { buffer.note(timestamp: timestamp) }
        buffer.append(proof(1))
        let error = #expect(throws: FileError.self) { try ProofBuffer(spool: file) }
        #expect(error?.code == .inUse && error?.reason == "in use by this process")
        #expect(error?.description.hasSuffix("stop it, or give another file") == true)
      }
      try life()
      #expect(try ProofBuffer(spool: file).pending == [proof(1)])
    }
  }

  @Test(
    "A file of somebody else is refused, and stays as it is",
    arguments: [
      "SQLite format 3\0\u{1}", "hello", "hello\n", "{\"plumiseChain\":4}\n", "\n", "{}\n",
      "{\"timestamp\":1}\n{\"other\":1}\n", "{\"timestamp\":1}\n{\"accepted\":\"1\"}\n",
    ])
  func strangers(content: String) async throws {
    try await withTemporaryFolder { folder in
      let file = folder.appending(path: "proofs")
      try Data(content.utf8).write(to: file)
      let error = #expect(throws: FileError.self) { try ProofBuffer(spool: file) }
      #expect(error?.reason.hasPrefix("line ") == true)
      #expect(try Data(contentsOf: file) == Data(content.utf8))
      try FileManager.default.setAttributes([.posixPermissions: 0o444], ofItemAtPath: file.path)
      let other = #expect(throws: FileError.self) { try ProofBuffer(spool: file) }
      #expect(other?.reason == "Permission denied")
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["proofs"])
    }
  }

  @Test("A file that is cut anywhere has the proofs whose lines are whole")
  func cut() async throws {
    try await withTemporaryFolder { folder in
      let file = folder.appending(path: "proofs")
      func write() throws -> [UInt8] {
        let buffer = try ProofBuffer(spool: file)
        (1...3).map(proof).forEach(buffer.append)
        return Array(try Data(contentsOf: file))
      }
      let whole = try write()
      for length in 0...whole.count {
        try Data(whole[..<length]).write(to: file)
        let lines = whole[..<length].count { $0 == 0x0a }
        #expect(try ProofBuffer(spool: file).count == max(0, lines - 1))
      }
    }
  }

  @Test(
    "A count or a timestamp outside its limits is refused by its line and name, and nothing is lost",
    arguments: [("accepted", "0 to 1"), ("timestamp", "0 to 253402300799")])
  func limits(name: String, limits: String) async throws {
    try await withTemporaryFolder { folder in
      let file = folder.appending(path: "proofs")
      try ProofBuffer(spool: file).append(proof(1))
      let before = try Data(contentsOf: file)
      for value in [
        "-1", "2.0", "1.5", "1e3", "null", "\"1\"", "253402300800", "9223372036854775807",
        "9223372036854775808", "-9223372036854775809", "1e400",
        "115792089237316195423570985008687907853269984665640564039457584007913129639936",
      ] {
        let bytes = before + Data("{\"\(name)\":\(value)}\n".utf8)
        try bytes.write(to: file)
        let error = #expect(throws: FileError.self) { try ProofBuffer(spool: file) }
        let reason = error?.reason ?? ""
        #expect(reason.contains("line 3: \(name): "), "\(value): \(reason)")
        #expect(reason.contains("from \(limits)"), "\(value): \(reason)")
        #expect(try Data(contentsOf: file) == bytes)
      }
    }
  }

  @Test("A reporter goes on after the latest timestamp that a file may hold")
  func latestTimestamp() async throws {
    try await withTemporaryFolder { folder in
      let file = folder.appending(path: "proofs")
      try Data("{\"timestamp\":253402300799}\n".utf8).write(to: file)
      let reporting = try ReporterFixture(
        to: "http://oracle.test", transport: InMemoryReportTransport(MockOracle()),
        proofs: try ProofBuffer(spool: file))
      #expect(await reporting.reporter.reportNow().isAccepted)
    }
  }

  @Test("A file of something else is refused and stays as it is", arguments: ["{}", "[1]", "5"])
  func foreignFile(_ line: String) async throws {
    try await withTemporaryFolder { folder in
      let file = folder.appending(path: "precious")
      try Data("\(line)\n".utf8).write(to: file)
      #expect(throws: FileError.self) { try ProofBuffer(spool: file) }
      #expect(try String(contentsOf: file, encoding: .utf8) == "\(line)\n")
    }
  }

  /// A buffer on a file that its last owner lets go of as soon as its tasks have ended.
  private static func opened(_ file: URL) async throws -> ProofBuffer {
    while true {
      switch Result(catching: { try ProofBuffer(spool: file) }) {
      case .success(let buffer): return buffer
      case .failure(let error):
        guard (error as? FileError)?.code == .inUse else { throw error }
        try Task.checkCancellation()
        await Task.yield()
      }
    }
  }

  @Test("A reporter that starts again goes on: its timestamps grow, no proof is lost or doubled")
  func reporter() async throws {
    try await withTemporaryFolder { folder in
      let lossy = LossyOracle(MockOracle())
      let file = folder.appending(path: "proofs")
      for life in 0..<3 {
        let proofs = try await Self.opened(file)
        let reporting = try ReporterFixture(
          to: "http://oracle.test", transport: lossy.transport, proofs: proofs)
        // The clock stands still over the restart.
        #expect(proofs.pending.count == (life == 0 ? 0 : 1))
        reporting.collector.recordProof(reporting.proof(10 + life))
        #expect(await reporting.reporter.reportNow().isAccepted)
        reporting.collector.recordProof(reporting.proof(life))
      }
      #expect(lossy.reportedProofs.count == 5 && Set(lossy.reportedProofs).count == 5)
    }
  }
}
