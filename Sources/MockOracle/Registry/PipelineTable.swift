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
    /// The models that nobody serves any more.
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

  /// The most layers that are shared out.
  static let mostLayers = 65_536

  /// How many layers the oracle takes a model to have; 32 for one that it does not know.
  func layers(of model: String) -> Int { min(layerCounts[model] ?? 32, Self.mostLayers) }

  /// Whether one more node finds a layer left, in a profile that hands out no empty range.
  func hasRoom(for agent: Address, model: String, at now: Int64) -> Bool {
    let others = active(model, at: now).filter { $0.address != agent }
    let layers = layers(of: model)
    return others.count < layers || (profile == .faithful && layers > 0)
  }

  func contains(_ agent: Address, model: String) -> Bool {
    models[model]?.contains { $0.address == agent } ?? false
  }

  /// What adding a node to the pipeline of its model, or renewing it, would change.
  ///
  /// The layers are shared anew.
  func registering(_ registration: Registration, at now: Int64) -> Change {
    let model = registration.text("model")
    let total = layers(of: model)
    // Who was silent for ten minutes has left.
    var entries = active(model, at: now)
    let index = entries.firstIndex { $0.address == registration.agent } ?? entries.count
    if index == entries.count {
      entries.append(
        Entry(
          address: registration.agent, grpcEndpoint: "", httpEndpoint: "", weight: 1,
          assignment: LayerAssignment(layerStart: 0, layerEnd: 0, totalLayers: total),
          seenAt: now))
    }
    entries[index].grpcEndpoint = registration.text("grpcEndpoint")
    entries[index].httpEndpoint = registration.text("httpEndpoint")
    entries[index].weight = LayerShares.weight(
      ram: registration.number("ramMb"), device: registration.text("device"),
      vram: registration.number("vramMb"))
    entries[index].isReady = false
    entries[index].seenAt = now
    let shares = LayerShares.assignments(
      of: total, by: entries.map(\.weight), profile: profile)
    for (order, share) in shares.enumerated() {
      entries[order].assignment = share
      entries[order].order = order
    }
    // Models are named by whoever registers: one that nobody serves any more is forgotten.
    let forgotten = models.keys.filter { $0 != model && active($0, at: now).isEmpty }
    return Change(
      model: model, entries: entries, forgotten: forgotten, assignment: entries[index].assignment)
  }

  /// Makes a change, since which nothing was changed but when nodes were seen.
  mutating func apply(_ change: Change) {
    for model in change.forgotten { models[model] = nil }
    var entries = change.entries
    for entry in models[change.model] ?? [] {
      guard let index = entries.firstIndex(where: { $0.address == entry.address }) else { continue }
      entries[index].seenAt = max(entries[index].seenAt, entry.seenAt)
    }
    models[change.model] = entries
  }

  /// Takes over what a log kept.
  mutating func restore(_ pipelines: TextDictionary<[Entry]>) { models = pipelines }

  mutating func markReady(_ agent: Address, model: String, at now: Int64) {
    guard let index = models[model]?.firstIndex(where: { $0.address == agent }) else { return }
    models[model]?[index].isReady = true
    models[model]?[index].seenAt = now
  }

  /// Notes that a node reported.
  mutating func see(_ agent: Address, at now: Int64) {
    for model in models.keys {
      guard let index = models[model]?.firstIndex(where: { $0.address == agent }) else { continue }
      models[model]?[index].seenAt = now
    }
  }

  /// The nodes of a model that were seen in the last ten minutes, in the pipeline's order.
  func topology(of model: String, at now: Int64) -> [PipelineNode] {
    active(model, at: now).sorted { $0.order < $1.order }.map { entry in
      PipelineNode(
        nodeAddress: entry.address.lowercaseHex, grpcEndpoint: entry.grpcEndpoint,
        httpEndpoint: entry.httpEndpoint, layerStart: entry.assignment.layerStart,
        layerEnd: entry.assignment.layerEnd, pipelineOrder: entry.order, ready: entry.isReady)
    }
  }

  private func active(_ model: String, at now: Int64) -> [Entry] {
    (models[model] ?? []).filter { $0.seenAt > now - NodeTable.activity }
  }
}
