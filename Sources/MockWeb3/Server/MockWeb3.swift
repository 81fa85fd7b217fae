import EthereumPrimitives
public import Foundation
import HTTPTypes
public import MockServing
public import PlumiseWire
import Synchronization

/// A Plumise chain in this process, which answers JSON-RPC as the real one does (Chain.md).
///
/// It is used in process (``respond(to:)->[UInt8]?`` takes and gives JSON-RPC bytes) or over HTTP
/// and WebSocket (``withServer(_:isolation:_:)``). Tests also read and change it directly. Every
/// transaction is executed, every block has a real header, and the same requests at the same times
/// give the same hashes.
public final class MockWeb3: Sendable {
  /// How the chain was started.
  public let configuration: ChainConfiguration
  /// The latest requests that were answered, in order: ``ChainConfiguration/journalCapacity`` of them, 32 MiB
  /// at most.
  public let journal: Journal<RPCExchange>
  /// The faults of connections: those that end, answers that never come.
  public let connectionFaults: FaultScript
  /// Who is notified of what.
  let subscriptions = SubscriptionTable()

  private let onExchange: @Sendable (RPCExchange) -> Void
  private let cell: Mutex<PersistentChain>
  let blockObservers = Mutex<[@Sendable (Block, [Int: String]) -> Void]>([])
  let faultObservers = Mutex<[@Sendable (FaultAdministration.Change) -> Void]>([])
  let producer: BlockProducer
  let clock: any Clock<Duration>
  private let unixClock: UnixClock

  /// Starts a chain.
  /// - Parameters:
  ///   - configuration: accounts, rules, mining.
  ///   - clock: measures block times and delays.
  ///   - unixClock: the source of the blocks' timestamps.
  ///   - onExchange: gets each request that was answered, unless `anvil_setLoggingEnabled` says no.
  public init(
    _ configuration: ChainConfiguration = ChainConfiguration(),
    clock: any Clock<Duration> = ContinuousClock(), unixClock: UnixClock = .system,
    onExchange: @escaping @Sendable (RPCExchange) -> Void = { _ in }
  ) {
    self.configuration = configuration
    journal = Self.journal(configuration)
    self.onExchange = onExchange
    self.clock = clock
    self.unixClock = unixClock
    cell = Mutex(PersistentChain(chain: Chain(configuration, now: unixClock.unsignedSeconds)))
    producer = BlockProducer(clock: clock)
    connectionFaults = FaultScript(clock: clock)
  }

  /// Continues the chain in a file, or starts one and keeps it there.
  ///
  /// Every block, waiting transaction and change by a test is in the file before the request that
  /// made it is answered: a program that is killed loses nothing that it acknowledged.
  /// - Parameters:
  ///   - configuration: the same as when the file was made.
  ///   - stateFile: the path of the file.
  ///   - clock: measures block times and delays.
  ///   - unixClock: the source of the blocks' timestamps.
  ///   - onExchange: gets each request that was answered, unless `anvil_setLoggingEnabled` says no.
  ///
  /// The file has one owner: this chain, until it is deallocated or the process ends.
  /// - Throws: `FileError` when the file is in use, of another chain, damaged or not usable;
  ///   then nothing is written.
  public init(
    _ configuration: ChainConfiguration = ChainConfiguration(), stateFile: URL,
    clock: any Clock<Duration> = ContinuousClock(), unixClock: UnixClock = .system,
    onExchange: @escaping @Sendable (RPCExchange) -> Void = { _ in }
  ) throws {
    self.configuration = configuration
    journal = Self.journal(configuration)
    self.onExchange = onExchange
    self.clock = clock
    self.unixClock = unixClock
    let now = unixClock.unsignedSeconds
    cell = Mutex(try PersistentChain(persistedAt: stateFile, configuration, now: now))
    producer = BlockProducer(clock: clock)
    connectionFaults = FaultScript(clock: clock)
  }

  private static func journal(_ configuration: ChainConfiguration) -> Journal<RPCExchange> {
    Journal(capacity: configuration.journalCapacity, byteLimit: 32 << 20) { $0.approximateBytes }
  }

  /// The accounts that have coins and whose keys are known.
  public var accounts: [DevelopmentAccount] { configuration.accounts }

  /// The time that the chain is given, in seconds since 1970.
  var now: UInt64 { unixClock.unsignedSeconds }

  /// Answers JSON-RPC: one request or a batch.
  /// - Returns: nil when there were only notifications, which get no answer, or a fault of the
  ///   connection takes the answer away.
  public func respond(to body: [UInt8]) async -> [UInt8]? {
    if connectionFaults.isExhausted { return await answer(body) }
    switch connectionFaults.take(for: WebRequest(.post, "/", body: body)) {
    case nil: return await answer(body)
    case .delay(let duration):
      // Without a connection there is no way to report a delay that was cancelled.
      try? await clock.sleep(for: min(duration, MiningMode.longestInterval))
      return await answer(body)
    case .answer(let response): return response.body
    case .alter(let change):
      let request = WebRequest(
        .post, "/", headers: [.contentType: "application/json"], body: body)
      return change(await respond(to: request)).body
    case .neverAnswer, .drop(.beforeHandling, _): return nil
    case .drop(.beforeAnswer, _), .drop(.midBody, _):
      _ = await answer(body)
      return nil
    case .drop(.afterAnswer, _), .slowBody: return await answer(body)
    }
  }

  /// Answers JSON-RPC that came through a connection.
  /// - Parameter subscriber: whom subscriptions notify; nil where nobody can be.
  func answer(_ body: [UInt8], for subscriber: RPCSubscriber? = nil) async -> [UInt8]? {
    switch RPCIncoming(body) {
    case .single(let element):
      return await answer(element, for: subscriber)?.json.serialized()
    case .batch(let elements) where elements.count > Self.batchLimit:
      // As in geth, the error carries the first call's id.
      let ids = elements.compactMap { element -> JSON? in
        guard case .request(let request) = element else { return nil }
        return request.id
      }
      let refusal = RPCResponse(id: ids.first ?? .null, failure: .batchTooLarge)
      return RPCReply.batch([refusal]).json.serialized()
    case .batch(let elements):
      var answers: [RPCResponse] = []
      var length = 0
      for element in elements {
        // As in geth, the calls that are left when the answers are too long get an error.
        if length > Self.batchAnswerLimit {
          if case .request(let request) = element, let id = request.id {
            answers.append(RPCResponse(id: id, failure: .responseTooLarge))
          }
          continue
        }
        guard let answer = await answer(element, for: subscriber) else { continue }
        length += answer.json.serialized().count
        answers.append(answer)
      }
      return answers.isEmpty ? nil : RPCReply.batch(answers).json.serialized()
    }
  }

  /// The most requests of a batch, as in geth.
  private static let batchLimit = 1000
  /// How many bytes the answers of a batch may have before no more calls are made, as in geth.
  private static let batchAnswerLimit = 25_000_000

  private func answer(
    _ element: RPCIncoming.Element, for subscriber: RPCSubscriber?
  ) async -> RPCResponse? {
    switch element {
    case .invalid(let response): return response
    case .request(let request):
      let (outcome, warnings) = await outcome(of: request, for: subscriber)
      let exchange = RPCExchange(
        method: request.method, parameters: request.params, outcome: outcome, warnings: warnings)
      journal.record(exchange)
      if read({ $0.isLoggingEnabled }) { onExchange(exchange) }
      return request.id.map { RPCResponse(id: $0, outcome: outcome) }
    }
  }

  private func outcome(
    of request: RPCRequest, for subscriber: RPCSubscriber?
  ) async -> (Result<JSON, RPCFailure>, warnings: [String]) {
    do {
      try await applyFault(request)
      if let result = try subscriptionResult(of: request, for: subscriber) {
        return (.success(result), [])
      }
      let method = try RPCMethod.named(request.method)
      if request.params.count > method.maximumArguments {
        throw RPCFailure.tooManyArguments(atMost: method.maximumArguments)
      }
      let prepared = try method.prepare(GethArguments(request.params))
      let operation = try await forkOperation(request) ?? prepared
      let (result, warnings) = try await performLoading { chain, now in
        try chain.forwardedAnswer(to: request) ?? operation(&chain, now)
      }
      return (.success(result), warnings)
    } catch let refusal as PoolError {
      // Decoding comes before the chain is asked, whose rules decide over what is said of blobs.
      return (.failure(.refused(refusal.message(on: configuration.rules.hardfork))), [])
    } catch {
      return (.failure(RPCFailure(error)), [])
    }
  }

  /// Runs an operation on the chain; on a forked one as often as it reads something that has to be
  /// fetched first.
  /// - Returns: the answer, and warnings about the transactions that it put into blocks.
  func performLoading(_ operation: ChainOperation) async throws -> (JSON, warnings: [String]) {
    while true {
      switch try attempt(operation) {
      case .done(let result, let warnings, let written):
        try await written?.file.synchronize(upTo: written?.write ?? 0)
        return (result, warnings)
      case .missing(let items, let remote): try await remote.fetch(items)
      }
    }
  }

  private enum Attempt {
    /// The answer is not given before the last write is on the disk.
    case done(JSON, warnings: [String], written: (file: StateFile, write: Int)?)
    /// Nothing changed: what was read is not there yet.
    case missing([RemoteChain.Item], RemoteChain)
  }

  private func attempt(_ operation: ChainOperation) throws -> Attempt {
    let now = now
    return try cell.withLock { cell in
      let height = cell.chain.latest.number
      guard let fork = cell.chain.state.fork else {
        let result = try operation(&cell.chain, now)
        commit(&cell)
        if let failure = cell.failure { throw failure }
        return .done(
          result, warnings: cell.chain.warnings(above: height), written: cell.lastWrite)
      }
      var trial = cell.chain
      let outcome = Result { try operation(&trial, now) }
      let warnings = trial.warnings(above: height)
      let misses = fork.takeMisses()
      guard misses.isEmpty else { return .missing(misses, fork.remote) }
      cell.chain = trial
      let result = try outcome.get()
      commit(&cell)
      return .done(result, warnings: warnings, written: nil)
    }
  }

  /// Reads the chain.
  func read<R: Sendable>(_ body: (Chain) -> R) -> R {
    cell.withLock { cell in
      let result = body(cell.chain)
      cell.chain.state.fork?.requireNoMisses()
      return result
    }
  }

  /// Changes the chain.
  func change<R: Sendable>(_ body: (inout Chain) -> R) -> R {
    let (result, warnings) = cell.withLock { cell in
      let height = cell.chain.latest.number
      let result = body(&cell.chain)
      cell.chain.state.fork?.requireNoMisses()
      commit(&cell)
      cell.synchronize()
      return (result, cell.chain.warnings(above: height))
    }
    report(warnings)
    return result
  }

  /// Notes in the journal what is wrong with transactions of blocks that no request made.
  func report(_ warnings: [String]) {
    guard !warnings.isEmpty else { return }
    let exchange = RPCExchange(
      method: RPCExchange.blockProduction, parameters: [], outcome: .success(nil),
      warnings: warnings)
    journal.record(exchange)
    if read({ $0.isLoggingEnabled }) { onExchange(exchange) }
  }

  /// Passes a change on to the file and the block producer: under the chain's lock, so that changes
  /// keep their order.
  private func commit(_ cell: inout PersistentChain) {
    cell.save()
    let news = cell.chain.news.take()
    // Nobody hears of what a crash could undo.
    if !news.isEmpty { cell.synchronize() }
    for news in news { subscriptions.publish(news) }
    tellBlockObservers(of: news, cell.chain)
    if let change = cell.chain.faults.takeConnectionChange() {
      connectionFaults.apply(change, seed: cell.chain.faults.seed)
    }
    tellFaultObservers(of: cell.chain.faults.takeChanges())
    producer.setInterval(cell.chain.mining.interval)
  }

  private func applyFault(_ request: RPCRequest) async throws {
    guard read({ !$0.faults.isEmpty }) else { return }
    let sender = request.sender
    let fault = change { $0.faults.takeRequestFault(method: request.method, sender: sender) }
    switch fault {
    case .refuse(let failure): throw failure
    case .delay(let duration):
      try await clock.sleep(for: min(duration, MiningMode.longestInterval))
    default: break
    }
  }
}

extension UnixClock {
  /// Whole seconds since 1970; 0 for earlier times.
  fileprivate var unsignedSeconds: UInt64 { UInt64(max(0, seconds)) }
}

/// A request that the chain answered: an entry of its journal.
///
/// Blocks that no request made, but the chain's clock or a test, have an entry where a transaction of
/// theirs has a warning.
public struct RPCExchange: Sendable {
  /// In the place of the method where no request was made.
  public static let blockProduction = "block production"

  /// The JSON-RPC method.
  public let method: String
  /// The arguments.
  public let parameters: [JSON]
  /// The result, or the error that was answered.
  public let outcome: Result<JSON, RPCFailure>
  /// A line for each transaction that the request put into a block and that failed, with the reason,
  /// the instruction and the calls that led there, or that called an address without code.
  public let warnings: [String]

  /// About how many bytes it takes.
  var approximateBytes: Int {
    let answer =
      switch outcome {
      case .success(let result): result.approximateBytes
      case .failure(let failure): failure.message.utf8.count
      }
    let answerAndWarnings = warnings.reduce(answer) { $0 + $1.utf8.count }
    return 128 + parameters.reduce(answerAndWarnings) { $0 + $1.approximateBytes }
  }
}

extension JSON {
  fileprivate var approximateBytes: Int {
    switch self {
    case .null, .bool, .number: 32
    case .string(let text): 32 + text.utf8.count
    case .array(let elements): elements.reduce(32) { $0 + $1.approximateBytes }
    case .object(let object):
      object.members.reduce(32) { $0 + 32 + $1.key.utf8.count + $1.value.approximateBytes }
    }
  }
}
