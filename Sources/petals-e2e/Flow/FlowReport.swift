import Bloom
import EthereumPrimitives
import Foundation
import NetworkWatch
import PlumiseWire
import ReportPages
import SystemErrors

/// The steps and results of a run of the whole flow.
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
    /// When each token came, since the generation's beginning.
    let tokenTimes: [Duration]
  }

  let started: Date
  var duration = Duration.zero
  var model: Model?
  var services: [Service] = []
  var agents: [Agent] = []
  var generation: Generation?
  var steps: [Step] = []
  /// What happened in the network; nil where none was started.
  var history: NetworkHistory?
  /// Why the run failed, in one line; nil when every step passed.
  var failure: String?

  var passed: Bool { failure == nil && !steps.isEmpty && steps.allSatisfy(\.passed) }
}

extension FlowReport {
  /// The name and the version of what `report.json` holds.
  static let schema = "petals-e2e/run/1"

  /// One object; durations in seconds unless the name says milliseconds.
  var json: JSON {
    var object: JSONObject = [
      "schema": .string(Self.schema),
      "version": .string(PetalsE2E.release),
      "command": .array(CommandLine.arguments.map { .string($0) }),
      "machine": Machine.current.json,
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
    for (name, values) in distributions { object["\(name)_ms"] = values.json }
    object["plots"] = .object(
      JSONObject(uniqueMembers: distributions.map { ($0.name, $0.values.plotJSON) }))
    for (name, value) in history?.members ?? [] { object[name] = value }
    return .object(object)
  }

  /// The times of the generation by their names in serving benchmarks, in milliseconds.
  var distributions: [(name: String, values: Distribution)] {
    let times = (generation?.tokenTimes ?? []).map { $0 / .milliseconds(1) }
    guard let first = times.first, let last = times.last else { return [] }
    let steps = zip(times, times.dropFirst()).map { $1 - $0 }
    let mean = steps.isEmpty ? [] : [(last - first) / Double(steps.count)]
    let all: [(LoadMeasure, [Double])] = [
      (.ttft, [first]), (.tpot, mean), (.itl, steps), (.e2el, [last]),
    ]
    return all.compactMap { $1.isEmpty ? nil : ($0.rawValue, Distribution($1)) }
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
      "step": .string(title), "ok": .bool(passed), "start": .seconds(start),
      "seconds": .seconds(duration),
      "detail": .string(detail),
    ]
  }
}

extension FlowReport {
  /// Records the model, the processes and the agents of a network.
  mutating func describe(_ network: RunningNetwork) {
    let checkpoint = network.checkpoint
    model = Model(
      name: checkpoint.name, directory: network.modelPath, fingerprint: checkpoint.fingerprint,
      blocks: checkpoint.configuration.blockCount,
      parameters: checkpoint.configuration.parameterCount,
      elementType: checkpoint.elementType.rawValue)
    let urls = [network.chainURL, network.oracleURL] + network.nodes.map { "grpc://\($0.peer)" }
    services = zip(network.processes, urls).map { process, url in
      Service(name: process.name, url: url, processID: process.processID ?? 0)
    }
    agents = network.nodes.map { Agent(address: $0.agent.checksummed, blocks: "\($0.blocks)") }
  }

  /// Records what happened until now.
  mutating func record(_ events: EventStream) {
    let start = started.timeIntervalSince1970 * 1000
    history = NetworkHistory(
      events.kept,
      nodes: agents.enumerated().map { .init(name: "node-\($0 + 1)", agent: $1.address) },
      from: start, to: start + duration / .milliseconds(1))
  }

  /// - Parameter proofs: verified ones of each agent, in the agents' order.
  mutating func record(proofs: [Int]) {
    for (index, count) in zip(agents.indices, proofs) { agents[index].proofsVerified = count }
  }

  /// - Parameter stored: tokens for each agent, in the agents' order.
  mutating func record(stored: [Int64]) {
    for (index, tokens) in zip(agents.indices, stored) { agents[index].tokensStored = tokens }
  }
}

extension FlowReport.Generation {
  init(_ generated: GeneratedText, prompt: String) {
    self.init(
      prompt: prompt, promptIDs: generated.promptIDs, generatedIDs: generated.generatedIDs,
      text: generated.text, timeToFirstToken: generated.timeToFirstToken,
      tokensPerSecond: generated.tokensPerSecond, tokenTimes: generated.tokenTimes)
  }
}

/// The folder that a run writes its report to, checked before the run begins.
struct ReportFolder: Sendable {
  private let url: URL

  /// Makes the folder if need be and writes to it once, so that a run does not do its work in vain.
  /// - Throws: `CommandFailure` (wrong input) that names the folder.
  init(_ path: String) throws {
    url = URL(filePath: path, directoryHint: .isDirectory)
    let probe = url.appending(path: ".petals-e2e-\(UUID().uuidString)")
    do {
      try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
      try Data().write(to: probe, options: .withoutOverwriting)
      try FileManager.default.removeItem(at: probe)
    } catch {
      throw CommandFailure.wrongInput(
        "cannot write to report folder \(path): \(error.systemReason); "
          + "choose another with --report")
    }
  }

  /// Writes `report.json`, `report.html`, `junit.xml`, `events.jsonl` and `requests.jsonl`.
  func write(_ report: FlowReport) throws {
    try write(
      report.json, page: ReportPage.render(report), units: report.units)
    guard let history = report.history else { return }
    try write(history.events.map { $0.line + "\n" }.joined(), to: "events.jsonl")
    try write(requests: history.requests.lazy.map { $0.json.text + "\n" })
  }

  /// Writes `requests.jsonl`.
  /// - Parameter lines: Each with its line feed.
  func write(requests lines: some Sequence<String>) throws {
    try write(lines.joined(), to: "requests.jsonl")
  }

  /// Writes `report.json`, `report.html` and `junit.xml`.
  func write(_ json: JSON, page: String, units: JUnit) throws {
    try write(json.text + "\n", to: "report.json")
    try write(page, to: "report.html")
    try write(units.text, to: "junit.xml")
  }

  private func write(_ text: String, to name: String) throws {
    do {
      try Data(text.utf8).write(to: url.appending(path: name), options: .atomic)
    } catch {
      throw CommandFailure.failed(
        "cannot write the report to \(url.path): \(error.systemReason)")
    }
  }

  /// Where a person finds the page.
  var page: String { path(of: "report.html") }

  /// Where a file of the folder is.
  func path(of name: String) -> String { url.appending(path: name).path }
}
