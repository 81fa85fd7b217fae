import EthereumPrimitives
import PlumiseWire
import TextKeys

/// The pipelines: which node serves which layers of which model.
struct PipelineTable: Sendable {
  /// A node of a pipeline.
  struct Entry: Sendable {
    let address: Address
    var grpcEndpoint: String
    var httpEndpoint: String
    /// What the node said of itself, in megabytes; and its device.
    var ram = 0.0
    var device = ""
    var vram = 0.0
    /// How many tokens a second it says that it generates.
    var benchmark = 0.0
    /// When it joined the pipeline, in unix seconds.
    let createdAt: Int64
    var weight: Double
    var assignment: LayerAssignment
    var order = 0
    var isReady = false
    var seenAt: Int64
  }

  /// What the registration of a node changes.
  struct Change: Sendable {
    let model: String
    /// The nodes of its model, in the pipeline's order, each with its new share.
    let entries: [Entry]
    /// The models that have no active node any more.
    let forgotten: [String]
    /// The layers of the node that registered.
    let assignment: LayerAssignment
  }

  let profile: OracleProfile
  let layerCounts: TextDictionary<Int>
  private(set) var models: TextDictionary<[Entry]> = [:]

  init(profile: OracleProfile, layerCounts: [String: Int]) {
    self.profile = profile
    self.layerCounts = TextDictionary(uniqueKeysWithValues: layerCounts.map { ($0.key, $0.value) })
  }

  /// How often rows of nodes that were silent for ten minutes are removed, in seconds.
  ///
  /// It happens in the minutes that are divisible by 5. The layers of their models are shared anew then.
  static let removalInterval: Int64 = 300

  /// The most layers that are assigned.
  static let maximumLayers = 65_536

  /// How many layers a model has; 32 for one that the oracle does not know.
  func layers(of model: String) -> Int { min(layerCounts[model] ?? 32, Self.maximumLayers) }

  /// Whether a layer is left for one more node; the profile `faithful` assigns empty ranges too.
  func hasFreeLayer(for agent: Address, model: String, at now: Int64) -> Bool {
    let others = active(model, at: now).filter { $0.address != agent }
    let layers = layers(of: model)
    return others.count < layers || (profile == .faithful && layers > 0)
  }

  func contains(_ agent: Address, model: String, at now: Int64) -> Bool {
    rows(of: model, at: now).contains { $0.address == agent }
  }

  /// What adding a node to the pipeline of its model, or renewing it, would change: the layers of
  /// all its nodes.
  func registering(_ registration: Registration, at now: Int64) -> Change {
    let model = registration.text("model")
    let total = layers(of: model)
    // A node that was not seen for ten minutes has left.
    var entries = active(model, at: now)
    let index = entries.firstIndex { $0.address == registration.agent } ?? entries.count
    if index == entries.count {
      entries.append(
        Entry(
          address: registration.agent, grpcEndpoint: "", httpEndpoint: "", createdAt: now,
          weight: 1,
          assignment: LayerAssignment(layerStart: 0, layerEnd: 0, totalLayers: total),
          seenAt: now))
    }
    entries[index].grpcEndpoint = registration.text("grpcEndpoint")
    entries[index].httpEndpoint = registration.text("httpEndpoint")
    entries[index].ram = registration.number("ramMb")
    entries[index].device = registration.text("device")
    entries[index].vram = registration.number("vramMb")
    entries[index].benchmark = registration.number("benchmarkTokPerSec")
    entries[index].weight = LayerShares.weight(
      ram: entries[index].ram, device: entries[index].device, vram: entries[index].vram)
    entries[index].isReady = false
    entries[index].seenAt = now
    share(total, among: &entries)
    // Models are named by whoever registers: one that nobody serves any more is forgotten.
    let forgotten = models.keys.filter { $0 != model && active($0, at: now).isEmpty }
    return Change(
      model: model, entries: entries, forgotten: forgotten, assignment: entries[index].assignment)
  }

  /// Applies a change; since it was computed, nothing has changed but when nodes were seen.
  mutating func apply(_ change: Change) {
    for model in change.forgotten { models[model] = nil }
    var entries = change.entries
    for entry in models[change.model] ?? [] {
      guard let index = entries.firstIndex(where: { $0.address == entry.address }) else { continue }
      entries[index].seenAt = max(entries[index].seenAt, entry.seenAt)
    }
    models[change.model] = entries
  }

  /// Restores what a log stored.
  mutating func restore(_ pipelines: TextDictionary<[Entry]>) { models = pipelines }

  mutating func markReady(_ agent: Address, model: String, at now: Int64) {
    guard let index = models[model]?.firstIndex(where: { $0.address == agent }) else { return }
    models[model]?[index].isReady = true
    models[model]?[index].seenAt = now
  }

  /// Marks a node as seen; one that was silent for ten minutes has left, and is not brought back.
  mutating func recordHeartbeat(of agent: Address, at now: Int64) {
    for model in models.keys {
      guard
        let index = models[model]?.firstIndex(where: {
          $0.address == agent && $0.seenAt > now - NodeTable.activePeriod
        })
      else { continue }
      models[model]?[index].seenAt = now
    }
  }

  /// The nodes of a model that were seen in the last ten minutes, in the pipeline's order.
  func topology(of model: String, at now: Int64) -> [PipelineNode] {
    entries(of: model, at: now).map { entry in
      PipelineNode(
        nodeAddress: entry.address.lowercaseHex, grpcEndpoint: entry.grpcEndpoint,
        httpEndpoint: entry.httpEndpoint, layerStart: entry.assignment.layerStart,
        layerEnd: entry.assignment.layerEnd, pipelineOrder: entry.order, ready: entry.isReady)
    }
  }

  /// The accounts that have a row that was renewed in the last ten minutes, each once.
  func members(at now: Int64) -> [Address] {
    Set(models.keys.flatMap { active($0, at: now) }.map(\.address)).sorted()
  }

  /// What each node said of itself when it joined a pipeline; of one in several, the latest.
  func machines(at now: Int64) -> [Address: Entry] {
    var machines: [Address: Entry] = [:]
    for model in models.keys {
      for entry in rows(of: model, at: now)
      where (machines[entry.address]?.seenAt ?? .min) <= entry.seenAt {
        machines[entry.address] = entry
      }
    }
    return machines
  }

  /// The entries of a model that were seen in the last ten minutes, in the pipeline's order.
  func entries(of model: String, at now: Int64) -> [Entry] {
    active(model, at: now).sorted { $0.order < $1.order }
  }

  private func active(_ model: String, at now: Int64) -> [Entry] {
    rows(of: model, at: now).filter { $0.seenAt > now - NodeTable.activePeriod }
  }

  /// The rows of a model as the last removal of old ones left them, each with its share.
  ///
  /// What a removal does follows from when each node was seen. It is therefore worked out when rows
  /// are read, and an oracle that starts again from its log finds the same shares.
  private func rows(of model: String, at now: Int64) -> [Entry] {
    let stored = models[model] ?? []
    let removal = now - (now % Self.removalInterval + Self.removalInterval) % Self.removalInterval
    var kept = stored.filter { $0.seenAt > removal - NodeTable.activePeriod }
    // A share depends on the nodes alone: the same nodes have the same ones.
    if kept.count < stored.count { share(layers(of: model), among: &kept) }
    return kept
  }

  /// Shares layers among nodes, in their order.
  private func share(_ layers: Int, among entries: inout [Entry]) {
    let shares = LayerShares.assignments(
      of: layers, by: entries.map(\.weight), profile: profile)
    for (order, share) in shares.enumerated() {
      entries[order].assignment = share
      entries[order].order = order
    }
  }
}

/// How a model's layers are shared among the nodes of its pipeline, by weight (Wire.md, Node
/// registry and pipeline).
enum LayerShares {
  /// What a node without any memory weighs, as in the deployed oracle.
  private static let minimumWeight = 1.0

  /// The weight of a node: its memory, or its accelerator's where it has one.
  static func weight(ram: Double, device: String, vram: Double) -> Double {
    let megabytes = device == "cpu" || vram == 0 ? ram : vram
    return megabytes == 0 || megabytes.isNaN ? minimumWeight : megabytes
  }

  /// Ranges that follow one another, one for each weight.
  ///
  /// In the profile `fixed` each has a layer at least and there is neither gap nor overlap, as long
  /// as there are no more nodes than layers; a node beyond them gets nothing. `faithful` rounds
  /// every share but the last by itself, which gives empty and negative ranges.
  /// - Parameters:
  ///   - layers: the layers of the whole model.
  ///   - weights: above zero, one for each node in the pipeline's order.
  static func assignments(
    of layers: Int, by weights: [Double], profile: OracleProfile
  ) -> [LayerAssignment] {
    let counts =
      switch profile {
      case .fixed: evenCounts(of: layers, by: weights)
      case .faithful: roundedCounts(of: layers, by: weights)
      }
    var start = 0
    return counts.map { count in
      defer { start += count }
      return LayerAssignment(layerStart: start, layerEnd: start + count, totalLayers: layers)
    }
  }

  /// One layer for each, and each further one where most is lacking of the exact share.
  private static func evenCounts(of layers: Int, by weights: [Double]) -> [Int] {
    // Shares of the greatest weight, so that no sum goes beyond what a double holds.
    let greatest = weights.max() ?? minimumWeight
    let shares = weights.map { $0.isFinite ? $0 / greatest : 1 }
    let total = shares.reduce(0, +)
    var counts = weights.indices.map { $0 < layers ? 1 : 0 }
    for _ in 0..<max(0, layers - weights.count) {
      let lacking = shares.indices.map { index in
        Double(layers) * shares[index] / total - Double(counts[index])
      }
      // The first of equals, so that the earlier node has the larger part.
      guard let most = lacking.max(), let index = lacking.firstIndex(of: most) else { break }
      counts[index] += 1
    }
    return counts
  }

  private static func roundedCounts(of layers: Int, by weights: [Double]) -> [Int] {
    let total = weights.reduce(0, +)
    var assigned = 0
    return weights.enumerated().map { index, weight in
      // JavaScript's Math.round: halves go up.
      let share = (Double(layers) * (weight / total) + 0.5).rounded(.down)
      let isLast = index == weights.count - 1 && index > 0
      let count = weights.count == 1 || isLast ? layers - assigned : Int(Int64(saturating: share))
      assigned += count
      return count
    }
  }
}
