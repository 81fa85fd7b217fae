import EthereumPrimitives
import Foundation
import PlumiseWire
import TestVectors
import Testing

/// A report that another implementation signed, in both dialects.
struct ReportVector: Sendable, CustomTestStringConvertible {
  let index: Int
  let privateKey: String
  /// The documented body: number texts and the order of keys as the other implementation has them.
  let documented: JSON
  /// The deployed body, likewise.
  let deployed: JSON

  var payload: JSON { documented["payload"] ?? .null }
  var timestamp: Int64 { payload["timestamp"]?.integerValue ?? 0 }
  var testDescription: String { "report \(index) of \(payload["agent"]?.stringValue ?? "nobody")" }

  /// All vectors; an empty or unreadable file is an error, not a pass.
  static let all: [ReportVector] = {
    do {
      let file = try JSON.parse(Array(Data(contentsOf: TestVectors.ethereum)))
      let vectors = (file["reports"]?.arrayValue ?? []).enumerated().compactMap { index, report in
        report["privateKey"]?.stringValue.map { key in
          ReportVector(
            index: index, privateKey: key,
            documented: [
              "payload": report["documented"]?["payload"] ?? .null,
              "signature": report["documented"]?["signature"] ?? .null,
            ],
            deployed: report["deployed"]?["body"] ?? .null)
        }
      }
      precondition(vectors.count == 17, "\(vectors.count) report vectors, expected 17")
      return vectors
    } catch {
      fatalError("ethereum.json cannot be read: \(error)")
    }
  }()

  static var first: ReportVector { all[0] }
}

/// A proof whose fields agree, of an agent given by its address.
func validProof(of agent: String) -> JSONObject {
  guard let address = try? Address(agent) else { fatalError("\(agent) is no address") }
  let proof = InferenceProof(
    model: "bigscience/bloom-560m", input: "Explain quantum computing", output: "It is",
    agent: address, tokenCount: 2)
  return proof.json.objectValue ?? JSONObject()
}
