import Foundation
import PlumiseWire

/// Everything that a run of the whole flow did and found.
struct FlowReport: Sendable {
  /// The model that was served.
  struct Model: Sendable {
    let name: String
    let directory: String
    let fingerprint: String
    let blocks: Int
    let parameters: Int
    let elementType: String
  }

  /// A process of the network.
  struct Service: Sendable {
    let name: String
    let url: String
    let processID: Int32
  }

  /// A node's agent, and what oracle and chain know of it.
  struct Agent: Sendable {
    let address: String
    let blocks: String
    var tokensStored: Int64?
    var proofsVerified = 0
  }

  /// What the nodes generated.
  struct Generation: Sendable {
    let prompt: String?
    let promptIDs: [Int32]
    let generatedIDs: [Int32]
    let text: String?
    let timeToFirstToken: Duration?
    let tokensPerSecond: Double
  }

  let started: Date
  var duration = Duration.zero
  var model: Model?
  var services: [Service] = []
  var agents: [Agent] = []
  var generation: Generation?
  var steps: [Step] = []
  /// Why the run failed, in one line; nil when every step passed.
  var failure: String?

  var passed: Bool { failure == nil && !steps.isEmpty && steps.allSatisfy(\.passed) }
}

extension FlowReport {
  /// One object; durations in seconds unless the name says milliseconds.
  var json: JSON {
    [
      "ok": .bool(passed),
      "failure": failure.map(JSON.string) ?? .null,
      "started": .string(started.formatted(.iso8601)),
      "seconds": .seconds(duration),
      "model": model.map(\.json) ?? .null,
      "services": .array(services.map(\.json)),
      "agents": .array(agents.map(\.json)),
      "generation": generation.map(\.json) ?? .null,
      "steps": .array(steps.map(\.json)),
    ]
  }
}

extension FlowReport.Model {
  fileprivate var json: JSON {
    [
      "name": .string(name), "directory": .string(directory), "fingerprint": .string(fingerprint),
      "blocks": .integer(blocks), "parameters": .integer(parameters),
      "dtype": .string(elementType),
    ]
  }
}

extension FlowReport.Service {
  fileprivate var json: JSON {
    ["name": .string(name), "url": .string(url), "pid": .integer(Int(processID))]
  }
}

extension FlowReport.Agent {
  fileprivate var json: JSON {
    [
      "address": .string(address), "blocks": .string(blocks),
      "tokens_stored": tokensStored.map { .integer(Int($0)) } ?? .null,
      "proofs_verified": .integer(proofsVerified),
    ]
  }
}

extension FlowReport.Generation {
  fileprivate var json: JSON {
    [
      "prompt": prompt.map(JSON.string) ?? .null,
      "prompt_ids": .array(promptIDs.map { .integer(Int($0)) }),
      "generated_ids": .array(generatedIDs.map { .integer(Int($0)) }),
      "text": text.map(JSON.string) ?? .null,
      "ttft_ms": timeToFirstToken.map { .milliseconds($0) } ?? .null,
      "tokens_per_second": .decimal(tokensPerSecond, places: 2),
    ]
  }
}

extension Step {
  fileprivate var json: JSON {
    [
      "step": .string(title), "ok": .bool(passed), "seconds": .seconds(duration),
      "detail": .string(detail),
    ]
  }
}
