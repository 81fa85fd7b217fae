import AsyncPrimitives
import EVM
import EthereumClient
import EthereumPrimitives
import PlumiseWire
import Synchronization

/// The chain that others are forked from, at one block: what was asked of it is kept, so that nothing is
/// asked twice.
///
/// Everything that is read lies at or before the block, and never changes. Nothing is ever sent to it
/// that would change it.
final class RemoteChain: Sendable {
  /// Something that is read of the remote chain.
  enum Item: Hashable, Sendable {
    /// Balance, nonce and code at the block.
    case account(Address)
    /// A slot of an account's storage at the block.
    case slot(Address, Word)
    /// The answer to a question about blocks, transactions or earlier states.
    case answer(method: String, parameters: [JSON])
  }

  private struct Cache: Sendable {
    var url: String
    var accounts: [Address: Account] = [:]
    var slots: [Item: Word] = [:]
    var answers: [Item: JSON] = [:]
  }

  /// The block's height.
  let number: UInt64
  private let cache: Mutex<Cache>
  /// One fetch at a time, so that two requests that need the same ask for it once.
  private let fetching = AsyncLock()

  /// The most requests of one message; servers limit them.
  private static let batchLimit = 100

  init(url: String, number: UInt64) {
    self.number = number
    cache = Mutex(Cache(url: url))
  }

  /// Where the remote chain answers.
  var url: String { cache.withLock { $0.url } }

  /// Goes on with another server of the same chain; what was read stays.
  func move(to url: String) { cache.withLock { $0.url = url } }

  // MARK: Reading what was fetched

  func account(_ address: Address) -> Account? { cache.withLock { $0.accounts[address] } }

  func slot(_ slot: Word, of address: Address) -> Word? {
    cache.withLock { $0.slots[.slot(address, slot)] }
  }

  func answer(_ item: Item) -> JSON? { cache.withLock { $0.answers[item] } }

  private func isFetched(_ item: Item) -> Bool {
    switch item {
    case .account(let address): account(address) != nil
    case .slot(let address, let slot): self.slot(slot, of: address) != nil
    case .answer: answer(item) != nil
    }
  }

  // MARK: Fetching

  /// Asks for items that are not there yet.
  /// - Throws: ``ForkError``, or the ``RPCFailure`` that a question was answered with; what came
  ///   before it is kept.
  func fetch(_ items: [Item]) async throws {
    try await fetching.withLock {
      let missing = items.filter { !isFetched($0) }
      var pending: [(item: Item, requests: [(method: String, parameters: [JSON])])] = []
      var count = 0
      for item in missing {
        let requests = requests(for: item)
        if count + requests.count > Self.batchLimit {
          try await fetchBatch(pending)
          (pending, count) = ([], 0)
        }
        pending.append((item, requests))
        count += requests.count
      }
      try await fetchBatch(pending)
    }
  }

  private func fetchBatch(
    _ batch: [(item: Item, requests: [(method: String, parameters: [JSON])])]
  ) async throws {
    guard !batch.isEmpty else { return }
    let url = url
    var results = try await Self.ask(url, batch.flatMap(\.requests))[...]
    for (item, requests) in batch {
      let own = results.prefix(requests.count)
      results = results.dropFirst(requests.count)
      try keep(item, zip(requests, own).map { ($0.method, $1) }, from: url)
    }
  }

  private func requests(for item: Item) -> [(method: String, parameters: [JSON])] {
    let block = JSON.quantity(number)
    switch item {
    case .account(let address):
      return ["eth_getBalance", "eth_getTransactionCount", "eth_getCode"].map {
        ($0, [.address(address), block])
      }
    case .slot(let address, let slot):
      return [("eth_getStorageAt", [.address(address), .hash(Hash32(word: slot)), block])]
    case .answer(let method, let parameters): return [(method, parameters)]
    }
  }

  /// Decodes an item's results, and keeps it.
  private func keep(
    _ item: Item, _ results: [(method: String, result: Result<JSON, ChainError>)], from url: String
  ) throws {
    switch item {
    case .account(let address):
      var account = Account()
      account.balance = try decode(results[0], from: url) { try $0.word() }
      account.nonce = try decode(results[1], from: url) { try $0.uint64() }
      let code = Code(try decode(results[2], from: url) { try $0.bytes() })
      account.contract = ContractData(code: code, storageRoot: Account.emptyStorageRoot)
      cache.withLock { $0.accounts[address] = account }
    case .slot:
      let value = try decode(results[0], from: url) { try $0.hash().word }
      cache.withLock { $0.slots[item] = value }
    case .answer(let method, _):
      let answer = try Self.result(
        results[0].result, of: method, from: url, at: number, passingFailures: true)
      do { try Self.check(answer, of: method) } catch {
        throw ForkError.malformed(url: url, method: method, answer: answer.text)
      }
      cache.withLock { $0.answers[item] = answer }
    }
  }

  private func decode<T>(
    _ answer: (method: String, result: Result<JSON, ChainError>), from url: String,
    _ decode: (GethValue) throws -> T
  ) throws -> T {
    let json = try Self.result(answer.result, of: answer.method, from: url, at: number)
    do { return try decode(GethValue(json: json, position: 0)) } catch {
      throw ForkError.malformed(url: url, method: answer.method, answer: json.text)
    }
  }

  /// Checks the members of an answer that this chain reads itself: a malformed one would else count as
  /// none.
  private static func check(_ answer: JSON, of method: String) throws {
    let value = GethValue(json: answer, position: 0)
    switch method {
    case "eth_getBlockByNumber", "eth_getBlockByHash":
      guard !answer.isNull else { return }
      let fields = try value.fields(of: "block")
      guard let hash = fields["hash"], let number = fields["number"] else {
        throw RPCFailure.refused("a block without hash or number")
      }
      _ = (try hash.hash(), try number.uint64())
    case "eth_getTransactionByHash":
      guard !answer.isNull else { return }
      _ = try value.fields(of: "transaction")["blockNumber"]?.uint64()
    case "eth_getLogs": _ = try value.array()
    default: break
    }
  }

  /// Sends requests in one message.
  static func ask(
    _ url: String, _ requests: [(method: String, parameters: [JSON])]
  ) async throws -> [Result<JSON, ChainError>] {
    do { return try await EthereumClient(url: url).batch(requests) } catch let error as ChainError {
      throw ForkError.unreachable(url: url, method: requests[0].method, reason: error.message)
    }
  }

  /// The result of one request.
  /// - Parameter passingFailures: whether the remote chain's own error is thrown as it is.
  static func result(
    _ result: Result<JSON, ChainError>, of method: String, from url: String, at number: UInt64?,
    passingFailures: Bool = false
  ) throws -> JSON {
    switch result {
    case .success(let json): return json
    case .failure(let error):
      guard let failure = error.failure else {
        throw ForkError.malformed(url: url, method: method, answer: error.message)
      }
      if let number, ForkError.meansPrunedState(failure.message) {
        throw ForkError.prunedState(
          url: url, method: method, block: number, answer: failure.message)
      }
      if passingFailures { throw failure }
      throw ForkError.refused(url: url, method: method, answer: "\(failure)")
    }
  }
}

/// Why a chain cannot be forked, or a forked chain cannot read the chain it was forked from.
public enum ForkError: Error, Hashable, Sendable, CustomStringConvertible {
  /// No answer came.
  case unreachable(url: String, method: String, reason: String)
  /// The remote chain answered with an error.
  case refused(url: String, method: String, answer: String)
  /// The answer is not what the method returns.
  case malformed(url: String, method: String, answer: String)
  /// The remote chain no longer has the state of the block.
  case prunedState(url: String, method: String, block: UInt64, answer: String)
  /// The remote chain has no such block.
  case noSuchBlock(url: String, block: UInt64)

  /// One line that names the URL and the method, and says what to do.
  public var description: String {
    switch self {
    case .unreachable(let url, let method, let reason):
      "the forked chain at \(url) did not answer \(method): \(reason): start it again, or name "
        + "another server with anvil_setRPCUrl"
    case .refused(let url, let method, let answer):
      "the forked chain at \(url) refused \(method): \(answer): name a server that has the method"
    case .malformed(let url, let method, let answer):
      "the forked chain at \(url) answered \(method) with \(Self.shortened(answer)): name the URL of "
        + "a JSON-RPC server"
    case .prunedState(let url, let method, let block, let answer):
      "the forked chain at \(url) has no state of block \(block) any more (\(method): "
        + "\(Self.shortened(answer))): name an archive node, or fork at a later block"
    case .noSuchBlock(let url, let block):
      "the chain at \(url) has no block \(block): name an earlier one, or none for its latest"
    }
  }

  private static func shortened(_ text: String) -> String {
    text.count > 120 ? text.prefix(120) + "…" : text
  }

  /// Whether a message says that a state is gone, in the words of go-ethereum, Erigon or Anvil.
  static func meansPrunedState(_ message: String) -> Bool {
    let text = message.lowercased()
    return ["missing trie node", "historical state", "state is not available", "pruned"].contains {
      text.contains($0)
    }
  }
}
