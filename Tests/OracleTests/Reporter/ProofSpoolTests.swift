import EthereumPrimitives
import Foundation
import InferenceMetrics
import Logging
import MockOracle
import OracleReporter
import PlumiseWire
import Testing

@Suite("Proof spool", .timeLimit(.minutes(5))) struct ProofSpoolTests {
  private func proof(_ number: Int) -> InferenceProof {
    InferenceProof(
      model: "m", input: "in \(number)", output: "out", agent: .zero, tokenCount: Int64(number))
  }

  @Test("A process that starts again has every proof that was not accepted, and no other")
  func restarts() async throws {
    try await withTemporaryFolder { folder in
      let file = folder.appending(path: "proofs")
      let first = try ProofBuffer(spool: file)
      (1...5).map(proof).forEach(first.append)
      first.acknowledge(first.batch(limit: 2))
      first.note(timestamp: 77)
      let second = try ProofBuffer(spool: file)
      #expect(second.pending == (3...5).map(proof))
      #expect(second.lastTimestamp == 77 && second.isSpooled)
      second.acknowledge(second.batch())
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
      #expect(try ProofBuffer(spool: file).pending == [proof(1)])
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
      let again = try ProofBuffer(spool: file)
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
      let reporting = try Reporting(
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
      let buffer = try ProofBuffer(spool: file)
      (1...2).map(proof).forEach(buffer.append)
      var bytes = try Data(contentsOf: file)
      bytes.removeLast(20)
      try bytes.write(to: file)
      #expect(try ProofBuffer(spool: file).pending == [proof(1)])
      try Data("{\"proof\":{}}\n".utf8).write(to: file)
      let error = #expect(throws: ProofSpoolError.self) { try ProofBuffer(spool: file) }
      #expect(error?.path == file.path && error?.reason.contains("line 1") == true)
    }
  }

  @Test("A reporter that starts again goes on: its timestamps grow, no proof is lost or doubled")
  func reporter() async throws {
    try await withTemporaryFolder { folder in
      let lossy = LossyOracle(MockOracle())
      let file = folder.appending(path: "proofs")
      for life in 0..<3 {
        let proofs = try ProofBuffer(spool: file)
        let reporting = try Reporting(
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
