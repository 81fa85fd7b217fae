import DequeModule
import EthereumPrimitives
import PlumiseWire

/// The latest reports of all agents with the proofs that they brought, up to a number of bytes.
///
/// Totals stand in the ledger, and lose nothing when a report is dropped here.
struct ReportHistory: Sendable {
  /// About how many bytes of memory the reports may take.
  static let byteLimit = 8 << 20
  /// How many reports of an agent are returned.
  private static let maximumPerAgent = 1000

  private struct Entry: Sendable {
    let report: StoredReport
    /// Those of its proofs that are counted.
    let newProofs: [StoredProof]
    /// The number of the first of them.
    let firstProof: Int
  }

  private struct Agent: Sendable {
    var reports: Deque<Entry> = []
    /// The proofs of those reports, to find one that came before.
    var proofs: Set<StoredProof> = []

    mutating func add(_ entry: Entry) {
      proofs.formUnion(entry.newProofs)
      reports.append(entry)
    }

    mutating func dropFirst() {
      for proof in reports.popFirst()?.newProofs ?? [] { proofs.remove(proof) }
    }
  }

  private var agents: [Address: Agent] = [:]
  /// Whose reports there are, in the order they came, with the weight of each.
  private var order: Deque<(agent: Address, weight: Int)> = []
  private var weight = 0
  /// How many proofs were counted.
  private var proofCount = 0

  /// Starts to number proofs behind so many that were dropped.
  mutating func firstProofNumber(_ count: Int) { proofCount = count }

  /// The proofs of a report that are counted.
  ///
  /// The deployed oracle counts each as often as it comes. In the documented dialect those count
  /// that the agent has not shown in its reports here: one whose report was accepted and whose
  /// answer was lost comes again with one of the next.
  func newProofs(in report: StoredReport) -> [StoredProof] {
    if report.dialect == .deployed { return report.proofs }
    var seen: Set<StoredProof> = []
    let known = agents[report.agent]?.proofs ?? []
    return report.proofs.filter { !known.contains($0) && seen.insert($0).inserted }
  }

  /// Adds a report, and drops the oldest ones of all agents for it.
  /// - Parameter new: what ``newProofs(in:)`` said of it.
  mutating func add(_ report: StoredReport, new: [StoredProof]) {
    let entry = Entry(report: report, newProofs: new, firstProof: proofCount + 1)
    proofCount += new.count
    agents[report.agent, default: Agent()].add(entry)
    let added = Self.weight(of: report)
    order.append((report.agent, added))
    weight += added
    while weight > Self.byteLimit, order.count > 1, let oldest = order.popFirst() {
      weight -= oldest.weight
      agents[oldest.agent]?.dropFirst()
      if agents[oldest.agent]?.reports.isEmpty == true { agents[oldest.agent] = nil }
    }
  }

  /// The reports of an agent that are kept, a thousand at most, oldest first.
  func reports(of agent: Address) -> [StoredReport] {
    (agents[agent]?.reports ?? []).suffix(Self.maximumPerAgent).map(\.report)
  }

  /// The proofs of an agent's reports that are kept, each once, oldest first.
  func proofs(of agent: Address) -> [AccountedProof] {
    (agents[agent]?.reports ?? []).flatMap { entry in
      entry.newProofs.enumerated().map { index, proof in
        AccountedProof(
          number: entry.firstProof + index, agent: agent, epoch: entry.report.epoch,
          createdAt: entry.report.receivedAt, proof: proof)
      }
    }
  }

  private static func weight(of report: StoredReport) -> Int {
    weight(ofProofs: report.proofs.count)
  }

  /// About how many bytes of memory a report with so many proofs takes.
  static func weight(ofProofs count: Int) -> Int { 400 + 480 * count }
}
