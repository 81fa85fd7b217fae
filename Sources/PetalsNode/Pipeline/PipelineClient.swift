import Bloom
import Logging

/// Leads hidden states through the nodes that together serve a model, and generates with them.
///
/// It lives within ``withPipelineClient(_:transports:recovery:clock:logger:_:)``.
public final class PipelineClient: Sendable {
  /// The model's ends, which this client computes itself.
  public let ends: ModelEnds
  /// The quickest way through the nodes when the client was made.
  ///
  /// A generation takes the one that is quickest when it begins, and leaves it where a node fails;
  /// its result says which one it took to its end.
  public let route: Route
  let directory: PeerDirectory
  let clock: any Clock<Duration>
  let closing: SessionClosing
  let logger: Logger
  /// Where generations run between their steps.
  let executor: (any TaskExecutor)?
  private let replay: ReplayBudget

  /// Asks every peer what it serves, and finds a way through them.
  ///
  /// - Throws: ``RouteError``; `CancellationError`.
  init(
    _ ends: ModelEnds, transports: [any BlockTransport], recovery: RecoveryPolicy,
    clock: any Clock<Duration>, closing: SessionClosing, logger: Logger
  ) async throws {
    let directory = PeerDirectory(
      transports, model: ends.model, policy: recovery, time: Stopwatch(clock))
    try await directory.ask()
    self.ends = ends
    self.directory = directory
    self.clock = clock
    self.closing = closing
    self.logger = logger
    executor = transports.lazy.compactMap(\.executor).first
    replay = ReplayBudget(limit: recovery.replayBudget)
    route = try directory.route(0..<ends.model.layerCount, length: 1)
  }

  /// Bytes of hidden states that are kept for nodes that may have to take another's place.
  public var heldBytes: Int { replay.heldBytes }

  /// Begins to generate; tokens come as they are asked for.
  ///
  /// - Throws: ``NodeError/Code/outOfRange`` when the prompt and the new tokens are more than the
  ///   model or the nodes allow.
  public func generate(_ request: PipelineRequest) throws(NodeError) -> TokenStream {
    let model = ends.checkpoint.configuration.sequenceLength
    let nodes = directory.maximumLength
    let limit = min(model, nodes)
    guard request.promptIDs.count <= limit,
      request.maximumNewTokens <= limit - request.promptIDs.count
    else {
      throw NodeError(
        .outOfRange,
        "a prompt of \(request.promptIDs.count) tokens and \(request.maximumNewTokens) new ones "
          + "go beyond the \(limit) that " + (model <= nodes ? "the model" : "a node")
          + " allows")
    }
    return TokenStream(run: GenerationRun(request, client: self))
  }

  /// Asks the peers that did not answer, or failed a while ago, what they serve.
  ///
  /// - Throws: ``RouteError`` for a peer that now serves another model; `CancellationError`.
  public func refresh() async throws { try await directory.ask() }

  /// The quickest way that is known; peers that were away are asked again before there is none.
  ///
  /// - Throws: ``RouteError``; the ``NodeError`` of a full node that alone serves a range.
  func route(
    _ range: Range<Int>, length: Int, excluding excluded: [String: NodeError]
  ) async throws -> Route {
    if let route = try? directory.route(range, length: length, excluding: excluded) {
      return route
    }
    try await directory.ask()
    do {
      return try directory.route(range, length: length, excluding: excluded)
    } catch {
      // Which node is full says more than that nobody is left.
      if let full = excluded.values.first,
        excluded.values.allSatisfy({ $0.code == .resourceExhausted })
      {
        throw full
      }
      throw error
    }
  }

  /// Opens a session on every node of a way.
  ///
  /// - Returns: In the order of the hops, what came of each.
  /// - Throws: `CancellationError`, when all that were opened are ended.
  func openSessions(
    on route: Route, maximumLength: Int
  ) async throws -> [Result<any BlockSession, any Error>] {
    let id = String(UInt64.random(in: .min ... .max), radix: 16)
    let opened = await withTaskGroup(of: (Int, Result<any BlockSession, any Error>).self) {
      group in
      for (index, hop) in route.hops.enumerated() {
        let opening = SessionOpening(
          id: id, fingerprint: ends.model.fingerprint, blocks: hop.blocks,
          maximumLength: maximumLength)
        group.addTask { [directory] in
          do {
            let transport = try directory.transport(to: hop.peer)
            return (index, .success(try await transport.openSession(opening)))
          } catch {
            return (index, .failure(error))
          }
        }
      }
      return await group.reduce(into: []) { $0.append($1) }
    }
    let ordered = opened.sorted { $0.0 < $1.0 }.map(\.1)
    if Task.isCancelled {
      for case .success(let session) in ordered { session.cancel() }
      throw CancellationError()
    }
    return ordered
  }

  /// Room for what a node is sent; nil when the client keeps enough already.
  func makeLog(tokens: Int) -> ReplayLog? {
    ReplayLog(tokens: tokens, hidden: ends.model.hiddenSize, budget: replay)
  }
}
