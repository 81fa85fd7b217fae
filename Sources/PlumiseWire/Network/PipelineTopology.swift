/// The blocks that the oracle gives a node when it registers.
public struct LayerAssignment: Hashable, Sendable {
  /// The first block.
  public let layerStart: Int
  /// The block behind the last.
  public let layerEnd: Int
  /// The blocks of the whole model.
  public let totalLayers: Int

  /// An assignment of blocks, half-open.
  public init(layerStart: Int, layerEnd: Int, totalLayers: Int) {
    self.layerStart = layerStart
    self.layerEnd = layerEnd
    self.totalLayers = totalLayers
  }

  /// The answer to a registration.
  public func json(success: Bool, message: String) -> JSON {
    [
      "success": .bool(success), "message": .string(message), "layerStart": .integer(layerStart),
      "layerEnd": .integer(layerEnd), "totalLayers": .integer(totalLayers),
    ]
  }

  /// Reads the answer to a registration, or nil when it assigns no blocks, or such as the oracle cannot
  /// store (``PipelineNode/possibleNumbers``).
  public init?(json: JSON) {
    guard json["success"]?.boolValue == true,
      let start = PipelineNode.number(json["layerStart"]),
      let end = PipelineNode.number(json["layerEnd"]),
      let total = PipelineNode.number(json["totalLayers"])
    else { return nil }
    self.init(layerStart: start, layerEnd: end, totalLayers: total)
  }
}

/// One node in the topology of a model's pipeline.
public struct PipelineNode: Hashable, Sendable {
  /// The orders and layers that a topology can have: the oracle stores them in columns of 32 bits.
  public static let possibleNumbers = 0...Int(Int32.max)

  /// The node's account, as the registry prints it.
  public let nodeAddress: String
  /// Where the node serves its blocks.
  public let grpcEndpoint: String
  /// Where the node generates.
  public let httpEndpoint: String
  /// The first block, and the one behind the last.
  public let layerStart, layerEnd: Int
  /// The node's place in the pipeline, from 0.
  public let pipelineOrder: Int
  /// Whether the node has loaded its blocks.
  public let ready: Bool

  /// A node of its parts.
  public init(
    nodeAddress: String, grpcEndpoint: String, httpEndpoint: String, layerStart: Int,
    layerEnd: Int, pipelineOrder: Int, ready: Bool
  ) {
    self.nodeAddress = nodeAddress
    self.grpcEndpoint = grpcEndpoint
    self.httpEndpoint = httpEndpoint
    self.layerStart = layerStart
    self.layerEnd = layerEnd
    self.pipelineOrder = pipelineOrder
    self.ready = ready
  }

  /// The node as the topology lists it.
  public var json: JSON {
    [
      "nodeAddress": .string(nodeAddress), "grpcEndpoint": .string(grpcEndpoint),
      "httpEndpoint": .string(httpEndpoint), "layerStart": .integer(layerStart),
      "layerEnd": .integer(layerEnd), "pipelineOrder": .integer(pipelineOrder),
      "ready": .bool(ready),
    ]
  }

  /// Whether order and layers are ``possibleNumbers``.
  public var hasPossibleNumbers: Bool {
    [layerStart, layerEnd, pipelineOrder].allSatisfy(Self.possibleNumbers.contains)
  }

  /// Reads an order or a layer.
  fileprivate static func number(_ json: JSON?) -> Int? {
    guard let number = json?.integerValue.flatMap({ Int(exactly: $0) }),
      possibleNumbers.contains(number)
    else { return nil }
    return number
  }

  /// Reads a node of a topology, or nil when a member is missing, of the wrong type, or a number that no
  /// topology can have.
  public init?(json: JSON) {
    guard let nodeAddress = json["nodeAddress"]?.stringValue,
      let grpcEndpoint = json["grpcEndpoint"]?.stringValue,
      let httpEndpoint = json["httpEndpoint"]?.stringValue,
      let start = Self.number(json["layerStart"]), let end = Self.number(json["layerEnd"]),
      let order = Self.number(json["pipelineOrder"]), let ready = json["ready"]?.boolValue
    else { return nil }
    self.init(
      nodeAddress: nodeAddress, grpcEndpoint: grpcEndpoint, httpEndpoint: httpEndpoint,
      layerStart: start, layerEnd: end, pipelineOrder: order, ready: ready)
  }
}
