import EthereumPrimitives
import Foundation
import PlumiseWire
import TestVectors
import Testing

/// The sections of `ethereum.json` that this target checks.
///
/// They are read with Foundation's decoder, not with the one under test.
struct Vectors: Decodable {
  struct Report: Decodable, CustomTestStringConvertible {
    struct Documented: Decodable {
      let payload: Payload
      let canonical, signature: String
    }
    struct Payload: Decodable {
      let agent: String
      let processed_tokens, uptime_seconds, tasks_completed, timestamp: Int64
      let avg_latency_ms: Double
    }
    struct Deployed: Decodable {
      let signed: String
      let body: Body
    }
    struct Body: Decodable {
      let wallet, signature: String
      let tokensProcessed, uptimeSeconds, requestCount, timestamp: Int64
      let avgLatencyMs: Double
    }
    let privateKey: String
    let documented: Documented
    let deployed: Deployed
    var testDescription: String { documented.canonical }
  }
  struct Proof: Decodable, CustomTestStringConvertible {
    let model, input, output, agent: String
    let tokenCount: Int64
    let modelHash, inputHash, outputHash, proofHash, calldataModelFirst, calldataAgentFirst: String
    var testDescription: String { "\(model), \(tokenCount) tokens" }
  }
  struct Call: Decodable, CustomTestStringConvertible {
    let function, to, data: String
    var testDescription: String { "\(function) \(data.prefix(24))…" }
  }

  let reports: [Report]
  let proofs: [Proof]
  let calldata: [Call]

  static let all: Vectors = {
    do {
      return try JSONDecoder().decode(Vectors.self, from: Data(contentsOf: TestVectors.ethereum))
    } catch { fatalError("ethereum.json cannot be read: \(error)") }
  }()
}

@Suite("The golden data of Plumise's wire")
struct VectorCountTests {
  @Test("No section is empty: the counts are those of the file that was reviewed")
  func counts() {
    #expect(Vectors.all.reports.count == 17)
    #expect(Vectors.all.proofs.count == 14)
    #expect(Vectors.all.calldata.count == 43)
  }
}
