import AsyncPrimitives
public import Bloom
import EthereumPrimitives
import Foundation
import Logging
public import PetalsNode
import SwiftProtobuf
import Synchronization

/// The transport to a server of a swarm: a node of this package, or one of Petals.
public final class SwarmTransport: BlockTransport {
  /// Inputs above this many bytes go over a stream.
  private static let unaryLimit = 1 << 20
  /// Most tokens of a session on a server that does not say.
  private static let defaultLength = 2048

  /// The server's name, in base58.
  public let peer: String
  let id: PeerID
  let swarm: SwarmPeer
  let model: SwarmModel
  let limits: SwarmLimits
  private let identity: Route.ModelIdentity
  private struct State: Sendable {
    /// What it says in the hash table.
    var record: ServerRecord
    /// Whether it is a node of this package, which says more than Petals' do.
    var isOwnKind = false
  }

  private let state: Mutex<State>

  package init(
    _ swarm: SwarmPeer, to id: PeerID, record: ServerRecord, model: SwarmModel,
    identity: Route.ModelIdentity, limits: SwarmLimits
  ) {
    self.swarm = swarm
    self.id = id
    peer = id.description
    self.model = model
    self.identity = identity
    self.limits = limits
    state = Mutex(State(record: record))
  }

  /// The blocks that it announces in the hash table.
  public var announcedBlocks: Range<Int>? { state.withLock { $0.record.blocks } }

  /// Takes what the server says now.
  func update(_ record: ServerRecord) { state.withLock { $0.record = record } }

  /// Whether it is a node of this package.
  var isOwnKind: Bool { state.withLock { $0.isOwnKind } }

  /// What one token takes in one block, as the server says.
  var blockStep: Duration? {
    state.withLock { $0.record.inferenceRPS }.map { .seconds(1 / $0) }
  }

  /// What the server says of itself, in the hash table and when it is asked.
  ///
  /// - Throws: `NodeError`; `NodeError.Code.failedPrecondition` for a server of another model, and
  ///   for one that serves other blocks than it says in the hash table.
  public func info() async throws -> PeerInfo {
    do {
      return try await ask()
    } catch let error as NodeError where error.code != .cancelled {
      swarm.logger.notice("a server is left alone", metadata: ["error": "\(error)"])
      throw error
    }
  }

  private func ask() async throws -> PeerInfo {
    let record = state.withLock { $0.record }
    let fields = try await naming {
      var request = SwarmExpertUID()
      request.uid = model.uid(record.blocks.lowerBound)
      let bytes = try await swarm.call(
        id, "TransformerConnectionHandler.rpc_info", try request.serializedBytes())
      let info = try SwarmExpertInfo(serializedBytes: bytes)
      return try MessagePackValue(decoding: info.serializedInfo)
    }
    guard case .map = fields else { throw wrong("its description is no map") }
    if let fingerprint = fields["fingerprint"]?.text ?? record.fingerprint,
      fingerprint != identity.fingerprint
    {
      throw refused(
        "it serves another model, or other weights: fingerprint \(fingerprint.prefix(16))")
    }
    if let size = fields["hidden_size"]?.integer, size != identity.hiddenSize {
      throw refused("its hidden size is \(size), but the model's is \(identity.hiddenSize)")
    }
    if let schema = fields["forward_schema"], schema != .null {
      try requireHiddenSize(in: schema)
    }
    if let bounds = fields["blocks"]?.elements?.map(\.integer), bounds.count == 2,
      bounds != [record.blocks.lowerBound, record.blocks.upperBound]
    {
      throw refused(
        "it serves blocks \(bounds.map { $0 ?? -1 }), but says \(record.blocks) in the hash table")
    }
    guard let blocks = try? BlockRange(record.blocks, of: identity.blockCount) else {
      throw refused("it says it serves blocks \(record.blocks) of \(identity.blockCount)")
    }
    state.withLock { $0.isOwnKind = fields["fingerprint"] != nil }
    let tokens = max(0, fields["cache_tokens_available"]?.integer ?? 0)
    return PeerInfo(
      modelName: fields["model"]?.text ?? model.prefix, fingerprint: identity.fingerprint,
      blocks: blocks, hiddenSize: identity.hiddenSize, isReady: fields["is_ready"] != .bool(false),
      agent: nil, uptime: .zero,
      cache: CacheUsage(usedBytes: 0, budgetBytes: tokens, sessions: 0, bytesPerToken: 1),
      maximumLength: max(1, fields["max_length"]?.integer ?? Self.defaultLength),
      blockStep: blockStep)
  }

  /// Checks what a server's blocks take, which Petals' servers say in no other way:
  /// `((descriptor,), {})`.
  private func requireHiddenSize(in schema: MessagePackValue) throws {
    let descriptor: TensorDescriptor
    do {
      guard let arguments = schema.elements?.first?.elements, let first = arguments.first else {
        throw SwarmMessageError("a schema", "positions and names are expected")
      }
      descriptor = try TensorDescriptor(first)
    } catch {
      throw wrong("its forward_schema is wrong: \(error)")
    }
    let size = descriptor.sizes.last ?? nil
    guard size == identity.hiddenSize else {
      throw refused(
        "its blocks take hidden states of \(size.map(String.init) ?? "any") numbers, but the model's have "
          + "\(identity.hiddenSize)")
    }
  }

  /// Hidden states through the server's blocks, without a cache.
  public func forward(
    _ hidden: HiddenStates, through model: ServedBlocks
  ) async throws -> HiddenStates {
    let tensors = try await pass("rpc_forward", model.blocks, [.of(hidden), .noPrompts])
    return try answer(tensors, like: hidden)
  }

  /// The gradient of the blocks' input.
  public func backward(
    input: HiddenStates, outputGradient: HiddenStates, through model: ServedBlocks
  ) async throws -> HiddenStates {
    let tensors = try await pass(
      "rpc_backward", model.blocks, [.of(input), .of(outputGradient), .noPrompts])
    return try answer(tensors, like: input)
  }

  /// Opens a session, whose memory the server has reserved when this returns.
  public func openSession(_ opening: SessionOpening) async throws -> any BlockSession {
    let blocks = opening.blocks?.indices ?? state.withLock { $0.record.blocks }
    let session = SwarmClientSession(self, opening, blocks: blocks, hidden: identity.hiddenSize)
    let late = SwarmError(.timedOut, "it did not open a session within \(limits.connect)", peer: id)
    do {
      try await naming {
        try await withDeadline(limits.connect, on: swarm.clock, orThrow: late) {
          try await session.open()
        }
      }
    } catch {
      session.cancel()
      throw error
    }
    return session
  }

  private func pass(
    _ name: String, _ blocks: BlockRange, _ arguments: [SwarmArray]
  ) async throws -> [SwarmTensor] {
    try await naming {
      var request = SwarmExpertRequest()
      request.uid = model.uids(blocks.indices)
      request.tensors = try arguments.map { try SwarmTensor($0, codec: limits.codec) }
      request.metadata = Data(Self.metadata(arguments.count).encoded)
      let size = request.tensors.reduce(0) { $0 + $1.buffer.count }
      if size <= Self.unaryLimit {
        let bytes = try await swarm.call(
          id, "TransformerConnectionHandler.\(name)", try request.serializedBytes(),
          within: limits.request)
        return try SwarmExpertResponse(serializedBytes: bytes).tensors
      }
      return try await stream(request, name)
    }
  }

  /// Sends a request in pieces, and puts the answer's pieces together.
  private func stream(_ request: SwarmExpertRequest, _ name: String) async throws -> [SwarmTensor] {
    let late = SwarmError(.timedOut, "no answer to \(name) within \(limits.request)", peer: id)
    return try await withDeadline(limits.request, on: swarm.clock, orThrow: late) {
      let stream = try await self.swarm.openStream(
        to: self.id, "TransformerConnectionHandler.\(name)_stream")
      defer { stream.close() }
      var isFirst = true
      for tensor in request.tensors {
        for piece in tensor.pieces(SwarmServer.pieceLimit) {
          var part = SwarmExpertRequest()
          part.uid = request.uid
          part.metadata = isFirst ? request.metadata : Data()
          part.tensors = [piece]
          isFirst = false
          try await stream.send(try part.serializedBytes())
        }
      }
      stream.finish()
      var pieces = TensorPieces(limit: self.swarm.configuration.largestMessage)
      while let bytes = try await stream.next() {
        for tensor in try SwarmExpertResponse(serializedBytes: bytes).tensors {
          try pieces.add(tensor)
        }
      }
      return try pieces.whole()
    }
  }

  /// The metadata of a request whose arguments are its tensors, in order.
  static func metadata(
    _ arguments: Int, _ more: [MessagePackValue.Entry] = []
  ) -> MessagePackValue {
    let marks = (0..<arguments).map { MessagePackValue.bytes(Array("__T\($0)".utf8)) }
    return .map(
      [
        .init(.string("points"), .double(0)), .init(.string("active_adapter"), .null),
        .init(.string("args_structure"), .tuple([.tuple(marks), .map([])])),
      ] + more)
  }

  private func answer(_ tensors: [SwarmTensor], like input: HiddenStates) throws -> HiddenStates {
    do {
      return try HiddenStates(answer: tensors, like: input)
    } catch {
      throw NodeError(swarm: error, peer: peer)
    }
  }

  private func naming<Result>(_ work: () async throws -> Result) async throws -> Result {
    do {
      return try await work()
    } catch {
      try Task.checkCancellation()
      throw NodeError(swarm: error, peer: peer)
    }
  }

  private func refused(_ text: String) -> NodeError {
    NodeError(.failedPrecondition, text, peer: peer)
  }

  private func wrong(_ text: String) -> NodeError { NodeError(.internalFault, text, peer: peer) }
}

/// How long the calls to a server of a swarm may take, and how numbers go there.
public struct SwarmLimits: Sendable {
  /// The opening of a session, whose memory the server reserves.
  public var connect: Duration
  /// A pass without a cache.
  public var request: Duration
  /// One step of a session.
  public var step: Duration
  /// How long a server may give no sign of life while a step is expected of it.
  ///
  /// After a third of it the server is pinged, which it answers however much it computes.
  public var silence: Duration
  /// The codec of what is sent; answers come in the server's own.
  package var codec = TensorCodec.none

  /// Limits; the defaults are those of Petals, with 10 s to open a session and 3 s of silence.
  public init(
    connect: Duration = .seconds(10), request: Duration = .seconds(180),
    step: Duration = .seconds(300),
    silence: Duration = .seconds(3)
  ) {
    self.connect = connect
    self.request = request
    self.step = step
    self.silence = silence
  }
}

extension SwarmArray {
  /// One sequence as a batch.
  static func of(_ hidden: HiddenStates) -> SwarmArray {
    SwarmArray([1, hidden.tokens, hidden.hidden], hidden.values)
  }
}

extension HiddenStates {
  /// Checks what a server answered: as many tokens, as wide, as what it was sent, and finite.
  init(answer tensors: [SwarmTensor], like input: HiddenStates) throws(SwarmMessageError) {
    guard let array = try tensors.first?.array(),
      array.shape == [1, input.tokens, input.hidden]
    else {
      throw SwarmMessageError(
        "the hidden states",
        "it was sent [1, \(input.tokens), \(input.hidden)] and answered \(tensors.first?.size ?? [])"
      )
    }
    let values = try array.real("the hidden states")
    guard values.allSatisfy(\.isFinite) else {
      throw SwarmMessageError("the hidden states", "a number is not finite")
    }
    do {
      self = try HiddenStates(tokens: input.tokens, hidden: input.hidden, values: values)
    } catch {
      throw SwarmMessageError("the hidden states", "\(error)")
    }
  }
}
