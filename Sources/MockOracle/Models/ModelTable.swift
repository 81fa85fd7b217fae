import Foundation
import PlumiseWire
import TextKeys

/// The models that the deployed oracle has a record of, with the hashes of their files.
struct ModelTable: Sendable {
  /// A record of a model; numbers are kept as the columns of the deployed oracle's database hold them.
  struct Model: Sendable, Hashable {
    /// Whether nodes may serve a model; the cases are in the order in which lists have them.
    enum Status: String, Sendable, CaseIterable {
      case active
      case deprecated
      case disabled
    }

    let id: String
    var displayName: String
    var activeParameters: Int64
    var totalParameters: Int64
    /// `dense` or `moe`.
    var architecture: String
    var minimumMemory: Int32
    var totalLayers: Int32
    /// Hundredths by which a token of the model counts.
    var multiplier: Int32
    var status: Status
    /// Unix seconds.
    let createdAt: Int64
    /// When it was deprecated, in unix seconds.
    var deprecatedAt: Int64?
  }

  /// The hash of a file of a model.
  struct FileHash: Sendable, Hashable {
    let number: Int
    let model: String
    let hash: String
    let quantization: String?
    /// Megabytes.
    let fileSize: Int32?

    // Byte for byte, as names are compared everywhere.
    func belongs(to model: String) -> Bool { self.model.utf8.elementsEqual(model.utf8) }
    func has(_ hash: String) -> Bool { self.hash.utf8.elementsEqual(hash.utf8) }
  }

  /// Why a change of the table is refused.
  enum Refusal: Error, Hashable {
    case exists(String)
    case notFound(String)
    case moreActiveThanTotal
    case already(String, Model.Status)
    case hashExists(String, model: String)
    case hashNotFound(model: String)
    /// A value that the column does not hold, or one more row than are kept.
    case unstorable

    /// The deployed oracle's answer.
    var readError: ReadError {
      switch self {
      case .exists(let id): .conflict("Model \(id) already exists")
      case .notFound(let id): .notFound("Model \(id) not found")
      case .moreActiveThanTotal: .badRequest("activeParams cannot exceed totalParams")
      case .already(let id, let status): .badRequest("Model \(id) is already \(status.rawValue)")
      case .hashExists(let hash, let model):
        .conflict("Hash \(hash) already exists for model \(model)")
      case .hashNotFound(let model): .notFound("Hash not found for model \(model)")
      case .unstorable: .failed
      }
    }
  }

  /// How many models are kept, and how many hashes.
  static let capacity = 10_000

  private(set) var models: TextDictionary<Model> = [:]
  private(set) var hashes: [FileHash] = []
  private var lastNumber = 0

  /// The models that are active, the greatest multiplier first.
  var active: [Model] { all.filter { $0.status == .active } }

  /// All models: active ones first, then deprecated, then disabled ones; of each the greatest
  /// multiplier first.
  var all: [Model] {
    func rank(_ model: Model) -> Int { Model.Status.allCases.firstIndex(of: model.status) ?? 0 }
    return models.values.sorted {
      (rank($0), -Int64($0.multiplier), $0.id) < (rank($1), -Int64($1.multiplier), $1.id)
    }
  }

  func model(_ id: String) throws(Refusal) -> Model {
    guard let model = models[id] else { throw .notFound(id) }
    return model
  }

  func hashes(of id: String) -> [FileHash] { hashes.filter { $0.belongs(to: id) } }

  /// Adds a model from a body that was validated.
  mutating func register(_ body: JSONObject, at time: Int64) throws(Refusal) -> Model {
    let id = try Self.text(body["modelId"], upTo: 128)
    guard models[id] == nil else { throw .exists(id) }
    guard models.count < Self.capacity else { throw .unstorable }
    let (active, total) = try Self.parameters(body["activeParams"], body["totalParams"])
    let model = Model(
      id: id, displayName: try Self.text(body["displayName"], upTo: 256), activeParameters: active,
      totalParameters: total, architecture: try Self.text(body["arch"], upTo: 16),
      minimumMemory: try Self.column(body["minMemoryMb"]),
      totalLayers: try Self.column(body["totalLayers"]),
      multiplier: try Self.multiplier(active: active, total: total),
      status: body["status"]?.stringValue.flatMap(Model.Status.init) ?? .active, createdAt: time,
      deprecatedAt: nil)
    models[id] = model
    return model
  }

  /// Changes what a validated body names of a model.
  mutating func update(_ id: String, _ body: JSONObject, at time: Int64) throws(Refusal) -> Model {
    var model = try model(id)
    // Null passes validation, and no column of the table holds it.
    guard !body.members.contains(where: { $0.value.isNull }) else { throw .unstorable }
    if let name = body.present("displayName") {
      model.displayName = try Self.text(name, upTo: 256)
    }
    if let name = body.present("arch") { model.architecture = try Self.text(name, upTo: 16) }
    if let number = body.present("minMemoryMb") { model.minimumMemory = try Self.column(number) }
    if let number = body.present("totalLayers") { model.totalLayers = try Self.column(number) }
    if let status = body.present("status")?.stringValue.flatMap(Model.Status.init) {
      model.status = status
      if status == .deprecated { model.deprecatedAt = model.deprecatedAt ?? time }
    }
    let (active, total) = (body.present("activeParams"), body.present("totalParams"))
    if active != nil || total != nil {
      (model.activeParameters, model.totalParameters) = try Self.parameters(
        active ?? .integer(model.activeParameters), total ?? .integer(model.totalParameters))
      model.multiplier = try Self.multiplier(
        active: model.activeParameters, total: model.totalParameters)
    }
    models[id] = model
    return model
  }

  mutating func deprecate(_ id: String, at time: Int64) throws(Refusal) {
    var model = try model(id)
    guard model.status == .active else { throw .already(id, model.status) }
    model.status = .deprecated
    model.deprecatedAt = time
    models[id] = model
  }

  /// Adds the hash of a file from a body that was validated.
  mutating func addHash(_ body: JSONObject, to id: String) throws(Refusal) -> FileHash {
    _ = try model(id)
    let text = try Self.text(body["ggufHash"], upTo: 128)
    guard !hashes.contains(where: { $0.belongs(to: id) && $0.has(text) }) else {
      throw .hashExists(text, model: id)
    }
    guard hashes.count < Self.capacity else { throw .unstorable }
    let quantization = body.present("quantType")
    let size = body.present("fileSizeMb")
    let added = FileHash(
      number: lastNumber + 1, model: id, hash: text,
      quantization: quantization == nil ? nil : try Self.text(quantization, upTo: 32),
      fileSize: size == nil ? nil : try Self.column(size))
    lastNumber += 1
    hashes.append(added)
    return added
  }

  mutating func removeHash(_ hash: String, of id: String) throws(Refusal) {
    guard let index = hashes.firstIndex(where: { $0.belongs(to: id) && $0.has(hash) }) else {
      throw .hashNotFound(model: id)
    }
    hashes.remove(at: index)
  }

  /// How a token of a model counts, in hundredths: ⌊(a + 0.04·(t − a))^0.9 · 100⌋ for a and t billions
  /// of active and of all parameters.
  static func multiplier(active: Int64, total: Int64) throws(Refusal) -> Int32 {
    let (active, total) = (Double(active) / 1e9, Double(total) / 1e9)
    let effective = active + 0.04 * (total - active)
    guard let multiplier = Int32(exactly: (pow(effective, 0.9) * 100).rounded(.down)) else {
      throw .unstorable
    }
    return multiplier
  }

  private static func parameters(
    _ active: JSON?, _ total: JSON?
  ) throws(Refusal) -> (active: Int64, total: Int64) {
    let (active, total) = (active?.doubleValue ?? 0, total?.doubleValue ?? 0)
    guard active <= total else { throw .moreActiveThanTotal }
    guard let active = Int64(exactly: active.rounded(.toNearestOrAwayFromZero)),
      let total = Int64(exactly: total.rounded(.toNearestOrAwayFromZero))
    else { throw .unstorable }
    return (active, total)
  }

  private static func column(_ value: JSON?) throws(Refusal) -> Int32 {
    let number = value?.doubleValue ?? 0
    guard let column = Int32(exactly: number.rounded(.toNearestOrAwayFromZero)) else {
      throw .unstorable
    }
    return column
  }

  private static func text(_ value: JSON?, upTo limit: Int) throws(Refusal) -> String {
    let text = value?.stringValue ?? ""
    guard text.unicodeScalars.count <= limit else { throw .unstorable }
    return text
  }
}

extension JSONObject {
  /// The value of a member that is there and not null.
  fileprivate func present(_ name: String) -> JSON? {
    guard let value = self[name], !value.isNull else { return nil }
    return value
  }
}
