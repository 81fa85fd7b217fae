import DequeModule
import EthereumPrimitives
import PlumiseWire

/// The latest reports of each agent with the proofs that they brought: so many of one agent, and of all
/// together up to a number of bytes.
///
/// Totals stand in the ledger, and lose nothing when a report is dropped here.
struct ReportHistory: Sendable {
  /// About how many bytes of memory the reports may take.
  static let byteLimit = 8 << 20
  private struct Entry: Sendable {
    let report: StoredReport
    /// Those of its proofs that are counted.
    let newProofs: [StoredProof]
    /// The number of the first of them.
    let firstProof: Int
    /// Its place among all reports that were added.
    let number: Int
  }

  private struct Agent: Sendable {
    var reports: Deque<Entry> = []
    /// The proofs of those reports, to find one that came before.
    var proofs: Set<StoredProof> = []

    mutating func add(_ entry: Entry) {
      proofs.formUnion(entry.newProofs)
      reports.append(entry)
    }

    /// - Returns: the report that is gone.
    mutating func dropFirst() -> StoredReport? {
      guard let first = reports.popFirst() else { return nil }
      for proof in first.newProofs { proofs.remove(proof) }
      return first.report
    }
  }

  private let maximumPerAgent: Int
  private var agents: [Address: Agent] = [:]
  /// Whose reports there are, by the numbers of the reports; some may be gone by now, because their agents have
  /// had later ones.
  private var order: Deque<(agent: Address, number: Int)> = []
  private var weight = 0
  /// How many reports are kept, and how many were added.
  private var (count, added) = (0, 0)
  /// How many proofs were counted.
  private var proofCount = 0

  /// - Parameter maximumPerAgent: how many reports of one agent are kept, at least one.
  init(maximumPerAgent: Int) {
    precondition(maximumPerAgent > 0, "a history keeps at least one report of an agent")
    self.maximumPerAgent = maximumPerAgent
  }

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

  /// Adds a report, and drops for it the agent's oldest one, or the oldest ones of all agents.
  /// - Parameter new: what ``newProofs(in:)`` said of it.
  mutating func add(_ report: StoredReport, new: [StoredProof]) {
    added += 1
    let entry = Entry(
      report: report, newProofs: new, firstProof: proofCount + 1, number: added)
    proofCount += new.count
    agents[report.agent, default: Agent()].add(entry)
    order.append((report.agent, added))
    count += 1
    weight += Self.weight(of: report)
    if let kept = agents[report.agent]?.reports.count, kept > maximumPerAgent {
      dropFirst(of: report.agent)
    }
    while weight > Self.byteLimit, count > 1, let oldest = order.popFirst() {
      if isKept(oldest) { dropFirst(of: oldest.agent) }
    }
    // As many at most as are kept stand there for nothing: each costs the same on average.
    if order.count > 2 * count + 100 { order = Deque(order.filter { isKept($0) }) }
  }

  /// Whether a report is there still: an agent's oldest ones are dropped first.
  private func isKept(_ place: (agent: Address, number: Int)) -> Bool {
    (agents[place.agent]?.reports.first).map { $0.number <= place.number } ?? false
  }

  private mutating func dropFirst(of agent: Address) {
    guard let report = agents[agent]?.dropFirst() else { return }
    count -= 1
    weight -= Self.weight(of: report)
    if agents[agent]?.reports.isEmpty == true { agents[agent] = nil }
  }

  /// The reports of an agent that are kept, oldest first.
  func reports(of agent: Address) -> [StoredReport] {
    (agents[agent]?.reports ?? []).map(\.report)
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
