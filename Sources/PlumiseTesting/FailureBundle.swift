import Foundation
import JSONValues
import NetworkWatch
import ReportPages
import SystemErrors

/// The files that say what happened in a network until a moment: `report.html`, `report.json`, `network.txt`,
/// `events.jsonl` and `requests.jsonl`.
struct FailureBundle: Sendable {
  /// The name and the version of what `report.json` holds.
  static let schema = "petals-e2e/failure/1"

  /// What failed, each in a line; none where nobody says that anything has.
  private let issues: [String]
  private let causes: [String]
  private let title: String
  private let command: String
  private let text: String
  private let start: Date
  private let end = Date()
  private let history: NetworkHistory
  private let dropped: Int

  /// The files of a network as it is now.
  /// - Parameters:
  ///   - title: What is reported: the test.
  ///   - issues: What failed.
  ///   - command: What runs it again.
  init(_ network: PetalsNetwork, title: String, issues: [String], command: String) {
    self.title = title
    self.issues = issues
    self.command = command
    let report = network.report
    text = report.text
    causes = report.causes(of: issues.isEmpty ? nil : issues.joined(separator: "\n"))
    start = network.recorder.start
    dropped = network.recorder.dropped
    let events = network.recorder.events
    history = NetworkHistory(
      events + network.standings(after: events.last?.number ?? 0),
      nodes: network.nodes.map {
        .init(
          name: NetworkNode.name($0.index), agent: $0.address.checksummed, served: $0.served)
      },
      from: start.timeIntervalSince1970 * 1000, to: end.timeIntervalSince1970 * 1000)
  }

  /// The page.
  var page: String {
    let failed = issues.map { issue -> HTML in "<li class=\"bad\">\(issue)</li>" }
    let reasons = causes.map { cause -> HTML in "<li>\(cause)</li>" }
    return ReportDocument(
      title: "\(title): \(issues.isEmpty ? "a network" : "failed")",
      heading: issues.isEmpty ? "A network" : "✗ \(title)", hasPassed: issues.isEmpty,
      lines: dropped == 0
        ? [] : ["The first \(dropped) events are kept no more; the ledger is of the others."],
      time: "\(start.formatted(.iso8601)) · \(Plot.label(seconds)) s",
      sections: [
        failed.isEmpty ? "" : HTML.section("What failed", "<ul class=\"lines\">\(failed)</ul>"),
        reasons.isEmpty
          ? "" : HTML.section("Likely causes", "<ul class=\"lines\">\(reasons)</ul>"),
      ] + history.sections + [
        HTML.section(
          "Report", "<details><summary>The network in text</summary><pre>\(text)</pre></details>")
      ], origin: origin
    ).text
  }

  private var origin: ReportDocument.Origin {
    ReportDocument.Origin(
      machine: MachineDescription.current.line,
      version: "plumise-petals-e2e \(PackageRelease.version)", command: command)
  }

  private var seconds: Double { end.timeIntervalSince(start) }

  /// The numbers of the page.
  var json: JSON {
    var object: JSONObject = [
      "schema": .string(Self.schema), "version": .string(PackageRelease.version),
      "command": .array([.string(command)]), "machine": MachineDescription.current.json,
      "ok": .bool(issues.isEmpty), "test": .string(title),
      "issues": .array(issues.map { .string($0) }), "causes": .array(causes.map { .string($0) }),
      "started": .string(start.formatted(.iso8601)), "seconds": .decimal(seconds, places: 4),
      "dropped_events": .integer(dropped),
    ]
    for (name, value) in history.members { object[name] = value }
    return .object(object)
  }

  /// Writes the files into a folder, which is made.
  /// - Throws: ``NetworkReportError`` that names the folder.
  func write(to folder: URL) throws {
    func write(_ text: String, _ name: String) throws {
      try Data(text.utf8).write(to: folder.appending(path: name), options: .atomic)
    }
    do {
      try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
      try write(page, "report.html")
      try write(json.text + "\n", "report.json")
      try write(text + "\n", "network.txt")
      try write(history.events.map { $0.line + "\n" }.joined(), "events.jsonl")
      try write(history.requests.map { $0.json.text + "\n" }.joined(), "requests.jsonl")
    } catch {
      throw NetworkReportError(folder: folder.path, reason: error.systemReason)
    }
  }
}

/// Why the report of a network was not written.
public struct NetworkReportError: Error, Sendable, CustomStringConvertible {
  /// Where it was to be.
  public let folder: String
  /// What the system says.
  public let reason: String

  /// One line: the folder, and why.
  public var description: String { "cannot write a network's report to \(folder): \(reason)" }
}

extension FailureBundle {
  /// Makes a folder that is not there yet for the bundle of a test.
  /// - Parameters:
  ///   - name: The test's; a number follows where several have it, as the cases of a parameterised one.
  ///   - root: Where it is made, with its parents.
  /// - Throws: ``NetworkReportError`` that names the folder.
  static func makeFolder(for name: String, in root: String) throws -> URL {
    let parent = URL(filePath: root, directoryHint: .isDirectory)
    let safe = String(
      name.map { $0.isLetter || $0.isNumber || "-_.".contains($0) ? $0 : "-" }.prefix(120))
    do {
      try FileManager.default.createDirectory(at: parent, withIntermediateDirectories: true)
      var number = 1
      while true {
        let folder = parent.appending(path: number == 1 ? safe : "\(safe)-\(number)")
        do {
          // One test alone can make it: cases may fail at the same time.
          try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: false)
          return folder
        } catch CocoaError.fileWriteFileExists {
          number += 1
        }
      }
    } catch {
      throw NetworkReportError(folder: root, reason: error.systemReason)
    }
  }
}

extension PetalsNetwork {
  /// What the chain keeps of each node's agent now.
  /// - Parameter number: The number of the last event before.
  fileprivate func standings(after number: Int) -> [WatchedEvent] {
    let now = Date().timeIntervalSince1970 * 1000
    return nodes.enumerated().map { index, node in
      let agent = chain.agent(node.address)
      return WatchedEvent(
        number: number + index + 1, time: now, part: NetworkNode.name(node.index),
        kind: .standing(
          AgentStanding(
            agent: node.address.checksummed, name: agent?.metadata ?? "", registered: agent != nil,
            active: agent?.status == .active,
            lastHeartbeat: Int(clamping: agent?.lastHeartbeat ?? 0),
            paid: "\(agent?.totalRewards ?? .zero)",
            pending: "\(chain.pendingReward(of: node.address))",
            balance: "\(chain.balance(of: node.address))")))
    }
  }
}
