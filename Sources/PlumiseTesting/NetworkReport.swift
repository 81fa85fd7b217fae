import EthereumPrimitives
import Foundation
import HTTPTypes
import MockOracle
import MockServing
import MockWeb3
import PlumiseWire

/// What happened in a network, for whoever looks at a test that failed.
///
/// The trait of a network adds ``causes(of:)`` to the comments of each issue, and attaches ``text`` to
/// the test, as `network.txt`, and a page of it as `report.html`; with `--attachments-path DIR` the test
/// runner writes them there. With the environment variable `PLUMISE_FAILURE_REPORTS=DIR` each failed test
/// has a folder in DIR, as ``write(to:)`` makes it.
public struct NetworkReport: Sendable, CustomStringConvertible {
  private let network: PetalsNetwork

  init(_ network: PetalsNetwork) { self.network = network }

  /// The whole report.
  public var description: String { text }

  /// The time and the deadlines, the nodes and what they counted, the events of all parts, what the
  /// oracle was sent and answered, the chain's transactions, decoded, the faults that were met, and the
  /// seeds that decided chance.
  public var text: String {
    [
      section("Likely causes", causes(of: nil)), section("Time", time),
      section("Nodes", network.nodes.indices.map(node)),
      section("Events", network.events.entries.map(\.description)), section("Oracle", oracle),
      section("Chain", transactions), section("Refused by the chain", refusals),
      section("Faults", faults), section("Seeds", seeds),
    ].joined(separator: "\n")
  }

  /// The report as a page that needs nothing but itself: the time line of all parts, requests over the
  /// faults that were on, and the ledger of the nodes.
  public var html: String { bundle.page }

  /// Writes the report into a folder, which is made: `report.html` (``html``), `report.json` with its
  /// numbers, `network.txt` (``text``), `events.jsonl` and `requests.jsonl`.
  /// - Parameter folder: A path.
  /// - Throws: ``NetworkReportError`` that names the folder.
  public func write(to folder: String) throws {
    try bundle.write(to: URL(filePath: folder, directoryHint: .isDirectory))
  }

  private var bundle: FailureBundle {
    FailureBundle(
      network, title: "network", issues: [],
      command: ProcessInfo.processInfo.arguments.joined(separator: " "))
  }

  /// What probably keeps a test from passing, each with what to do about it.
  ///
  /// - Parameter issue: what failed, as text; where it speaks of the oracle, that nothing was reported
  ///   yet is a cause. Nil for every possible cause.
  public func causes(of issue: String?) -> [String] {
    var causes = network.nodes.indices.flatMap(refusedReports)
    let asksOracle = issue.map { $0.contains("oracle") || $0.contains("reporter") } ?? true
    if asksOracle { causes += network.nodes.indices.compactMap(missingReport) }
    causes += transactionWarnings.suffix(Self.warningLimit).map { "the chain: \($0)" }
    causes += downParts
    let deadlines = network.clock.deadlines
    if network.clock.now.offset == .zero, let first = deadlines.first {
      causes.append(
        """
        the network's clock stands still, and \(deadlines.count) tasks wait for it, the first until \
        \(first.offset): let time pass with network.time.advance(by:)
        """)
    }
    return causes
  }

  /// How many of the chain's latest warnings are named with an issue; the report has all.
  private static let warningLimit = 5

  /// What is wrong with transactions: the reason, the instruction and the calls that led to it.
  private var transactionWarnings: [String] {
    network.chain.journal.entries.flatMap(\.warnings)
  }

  /// Parts that the test ended and did not start again.
  private var downParts: [String] {
    let nodes = network.nodes.filter { !$0.isRunning }.map {
      "node \($0.index) does not run: try await network.nodes[\($0.index)].restart()"
    }
    let parts = NetworkPart.allCases.filter { part in
      !network.isRunning(part) && (part != .gateway || network.plan.gateway != .none)
    }
    return nodes
      + parts.map { "the \($0) does not run: try await network.restart(.\($0))" }
  }

  /// Why reports of a node were not accepted, each reason once.
  private func refusedReports(of index: Int) -> [String] {
    let node = network.nodes[index]
    let misses = network.oracle.journal.nearMisses(of: node.address)
    var counts: [String: Int] = [:]
    for miss in misses { counts[miss, default: 0] += 1 }
    var reasons: [String] = []
    for miss in misses {
      guard let count = counts.removeValue(forKey: miss) else { continue }
      reasons.append("node \(index): \(miss)" + (count > 1 ? " (\(count) times)" : ""))
    }
    let asksRegistration = network.plan.oracleChecksRegistration
    if !reasons.isEmpty, asksRegistration, !network.chain.isRegistered(node.address) {
      reasons.insert(
        """
        node \(index) (\(node.address.checksummed)) is not registered on the chain: \
        try await network.nodes[\(index)].register() before it reports
        """, at: 0)
    }
    return reasons
  }

  private func missingReport(of index: Int) -> String? {
    let node = network.nodes[index]
    guard network.oracle.agent(node.address) == nil,
      network.oracle.journal.nearMisses(of: node.address).isEmpty
    else { return nil }
    return """
      node \(index) (\(node.address.checksummed)) has not reported yet: await \
      network.nodes[\(index)].reporter.reportNow(), or start() it and let time pass
      """
  }

  private var time: [String] {
    let unix = network.time.unixClock.now().components.seconds
    return [
      "\(network.clock.now.offset) since the network's start; \(unix) s since 1970",
      network.clock.summary,
    ]
  }

  private func node(_ index: Int) -> String {
    let node = network.nodes[index]
    let snapshot = node.metrics.snapshot
    let registration = network.chain.isRegistered(node.address) ? "registered" : "not registered"
    return """
      \(index): blocks \(node.node.configuration.blocks) on \(node.peer), agent \
      \(node.address.checksummed), \(registration)\(node.isRunning ? "" : ", not running"); \(snapshot.totalTokens) tokens, \
      \(snapshot.totalRequests) requests
      """
  }

  private var oracle: [String] {
    network.oracle.journal.entries.map { entry in
      let reason = entry.refusal.map { ": \($0)" } ?? ""
      let agent = entry.agent.map { " of \($0.checksummed)" } ?? ""
      let (method, path) = (entry.request.method.rawValue, entry.request.path)
      return "\(method) \(path)\(agent) → \(entry.status)\(reason)"
    }
  }

  private var transactions: [String] {
    network.chain.transactions.map { sent in
      let receipt = network.chain.receipt(of: sent.hash)
      let outcome = receipt.map { $0.succeeded ? "succeeded" : "failed" } ?? "waits"
      let gas = receipt.map { ", \($0.gasUsed) gas" } ?? ""
      return "\(sent.hash.hex) \(sent.sender.checksummed) \(call(sent.transaction)): "
        + "\(outcome)\(gas)"
    } + transactionWarnings
  }

  /// What a transaction does, in the words of the contract that it calls.
  private func call(_ transaction: Transaction) -> String {
    guard let recipient = transaction.to else { return "deploys a contract" }
    do {
      if let contract = PrecompileCall.Contract(address: recipient) {
        return "\(try PrecompileCall(to: contract, input: transaction.data))"
      }
      if recipient == PlumiseNetwork.Contract.agentRegistry {
        return "AgentRegistry.\(try AgentRegistryCall(input: transaction.data))"
      }
      if recipient == PlumiseNetwork.Contract.rewardPool, !transaction.data.isEmpty {
        return "RewardPool.\(try RewardPoolCall(input: transaction.data))"
      }
    } catch { return "calls \(recipient.checksummed), which cannot be read: \(error)" }
    let data = transaction.data.isEmpty ? "" : ", \(transaction.data.count) bytes of input"
    return "sends \(transaction.value) wei to \(recipient.checksummed)\(data)"
  }

  private var refusals: [String] {
    network.chain.journal.entries.compactMap { exchange in
      guard case .failure(let failure) = exchange.outcome else { return nil }
      return "\(exchange.method): \(failure.code) \(failure.message)"
    }
  }

  private var faults: [String] {
    let scripts = [("oracle", network.oracleFaults), ("chain", network.chain.connectionFaults)]
    return scripts.flatMap { name, script in
      script.met.entries.map { "\(name): \($0.method.rawValue) \($0.path) met a fault" }
        + script.remaining.map { "\(name): fault \($0.id) is still active" }
    }
      + network.links.flatMap { from, to, link in
        (link.isCut ? ["link from \(from) to \(to): cut"] : [])
          + link.remaining.map {
            "link from \(from) to \(to): fault \($0.id) is still active: \($0.rule.json.text)"
          }
      }
  }

  /// What decided about faults with a probability, and about a link's jitter.
  private var seeds: [String] {
    ["oracle's faults: \(network.oracleFaults.seed)", "chain's faults: \(network.chain.faultSeed)"]
      + network.links.filter { $0.link.seed != 0 }.map { from, to, link in
        "link from \(from) to \(to): \(link.seed)"
      }
  }

  private func section(_ title: String, _ lines: [String]) -> String {
    "\(title)\n" + (lines.isEmpty ? ["none"] : lines).map { "  \($0)\n" }.joined()
  }
}

extension PetalsNetwork {
  /// What has happened in the network up to now, as text.
  public var report: NetworkReport { NetworkReport(self) }
}
