import EthereumPrimitives
import PlumiseWire

/// The pipelines: which node serves which layers of which model.
struct PipelineTable: Sendable {
  private struct Entry {
    let address: Address
    /// Its place among all registrations: the pipeline's order.
    let position: Int
    var grpcEndpoint: String
    var httpEndpoint: String
    var weight: Double
    var assignment: LayerAssignment
    var order = 0
    var isReady = false
    var seenAt: Int64
  }

  let profile: OracleProfile
  let layerCounts: [String: Int]
  private var models: [String: [Entry]] = [:]
  private var registrations = 0

  init(profile: OracleProfile, layerCounts: [String: Int]) {
    self.profile = profile
    self.layerCounts = layerCounts
  }

  /// How many layers the oracle takes a model to have; 32 for one that it does not know.
  func layers(of model: String) -> Int { layerCounts[model] ?? 32 }

  /// Whether one more node finds a layer left, in a profile that hands out no empty range.
  func hasRoom(for agent: Address, model: String, at now: Int64) -> Bool {
    let others = active(model, at: now).filter { $0.address != agent }
    return profile == .faithful || others.count < layers(of: model)
  }

  func contains(_ agent: Address, model: String) -> Bool {
    models[model]?.contains { $0.address == agent } ?? false
  }

  /// Adds a node to the pipeline of its model, or renews it, and shares the layers anew.
  mutating func register(_ registration: Registration, at now: Int64) -> LayerAssignment {
    let model = registration.text("model")
    let total = layers(of: model)
    // Who was silent for ten minutes has left.
    var entries = active(model, at: now)
    let index = entries.firstIndex { $0.address == registration.agent } ?? entries.count
    if index == entries.count {
      registrations += 1
      entries.append(
        Entry(
          address: registration.agent, position: registrations, grpcEndpoint: "", httpEndpoint: "",
          weight: 1, assignment: LayerAssignment(layerStart: 0, layerEnd: 0, totalLayers: total),
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
    dropSilentModels(at: now)
    models[model] = entries
    return entries[index].assignment
  }

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

  /// Models are named by whoever registers: one that nobody serves any more is forgotten.
  private mutating func dropSilentModels(at now: Int64) {
    for model in models.keys where active(model, at: now).isEmpty { models[model] = nil }
  }
}
