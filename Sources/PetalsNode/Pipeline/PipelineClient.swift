public import Bloom
import Logging

/// Leads hidden states through the nodes that together serve a model, and generates with them.
///
/// It lives within ``withPipelineClient(_:transports:clock:logger:_:)``.
public final class PipelineClient: Sendable {
  /// The model's ends, which this client computes itself.
  public let ends: ModelEnds
  /// The nodes, in order.
  public let route: Route
  let transports: [any BlockTransport]
  let clock: any Clock<Duration>
  let closing: SessionClosing

  private init(
    ends: ModelEnds, route: Route, transports: [any BlockTransport], clock: any Clock<Duration>,
    closing: SessionClosing
  ) {
    self.ends = ends
    self.route = route
    self.transports = transports
    self.clock = clock
    self.closing = closing
  }

  /// Asks every peer what it serves, and orders them.
  ///
  /// - Throws: ``NodeError`` that names a peer which does not answer; ``RouteError``.
  static func plan(
    _ ends: ModelEnds, transports: [any BlockTransport], clock: any Clock<Duration>,
    closing: SessionClosing
  ) async throws -> PipelineClient {
    let infos = try await withThrowingTaskGroup(of: (Int, PeerInfo).self) { group in
      for (index, transport) in transports.enumerated() {
        group.addTask { (index, try await transport.info()) }
      }
      return try await group.reduce(into: [Int: PeerInfo]()) { $0[$1.0] = $1.1 }
    }
    let peers = transports.enumerated().compactMap { index, transport in
      infos[index].map { (name: transport.peer, info: $0) }
    }
    let route = try Route(of: peers, for: ends.model)
    let byName = Dictionary(transports.map { ($0.peer, $0) }) { first, _ in first }
    return PipelineClient(
      ends: ends, route: route, transports: route.hops.compactMap { byName[$0.peer] },
      clock: clock, closing: closing)
  }

  /// Begins to generate; tokens come as they are asked for.
  ///
  /// - Throws: ``NodeError/Code/outOfRange`` when the prompt and the new tokens are more than the
  ///   model or a node allows.
  public func generate(_ request: PipelineRequest) throws(NodeError) -> TokenStream {
    let model = ends.checkpoint.configuration.sequenceLength
    let limit = min(model, route.maximumLength)
    guard request.promptIDs.count <= limit,
      request.maximumNewTokens <= limit - request.promptIDs.count
    else {
      throw NodeError(
        .outOfRange,
        "a prompt of \(request.promptIDs.count) tokens and \(request.maximumNewTokens) new ones "
          + "go beyond the \(limit) that "
          + (model <= route.maximumLength ? "the model" : "a node") + " allows")
    }
    return TokenStream(run: GenerationRun(request, client: self))
  }

  /// Hidden states `[tokens, hidden]` through all blocks, without a cache.
  public func forward(_ hidden: HiddenStates) async throws -> HiddenStates {
    var hidden = hidden
    for (hop, transport) in zip(route.hops, transports) {
      hidden = try await transport.forward(hidden, through: blocks(of: hop))
    }
    return hidden
  }

  /// The gradient of the first block's input, from that of the last block's output.
  ///
  /// The inputs of the later nodes are made again on the way; nothing stays on the nodes.
  public func backward(
    input: HiddenStates, outputGradient: HiddenStates
  ) async throws -> HiddenStates {
    var inputs = [input]
    for (hop, transport) in zip(route.hops, transports).dropLast() {
      inputs.append(try await transport.forward(inputs[inputs.count - 1], through: blocks(of: hop)))
    }
    var gradient = outputGradient
    for (index, transport) in transports.enumerated().reversed() {
      gradient = try await transport.backward(
        input: inputs[index], outputGradient: gradient, through: blocks(of: route.hops[index]))
    }
    return gradient
  }

  /// Opens a session on every node of the route, or on none.
  ///
  /// - Throws: ``NodeError`` of the first that refuses; the others are ended then.
  func openSessions(maximumLength: Int) async throws -> [any BlockSession] {
    let id = String(UInt64.random(in: .min ... .max), radix: 16)
    let opened = await withTaskGroup(of: (Int, Result<any BlockSession, any Error>).self) {
      group in
      for (index, transport) in transports.enumerated() {
        let opening = SessionOpening(
          id: id, fingerprint: ends.model.fingerprint, blocks: route.hops[index].blocks,
          maximumLength: maximumLength)
        group.addTask {
          do {
            return (index, .success(try await transport.openSession(opening)))
          } catch {
            return (index, .failure(error))
          }
        }
      }
      return await group.reduce(into: []) { $0.append($1) }
    }
    let ordered = opened.sorted { $0.0 < $1.0 }.map(\.1)
    do {
      return try ordered.map { try $0.get() }
    } catch {
      for case .success(let session) in ordered { session.cancel() }
      throw error
    }
  }

  private func blocks(of hop: Route.Hop) -> ServedBlocks {
    ServedBlocks(fingerprint: ends.model.fingerprint, blocks: hop.blocks)
  }
}
