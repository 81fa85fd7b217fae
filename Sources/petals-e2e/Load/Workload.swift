import ChainAgent
import EthereumClient
import EthereumPrimitives
import MockWeb3
import NIOCore
import PlumiseWire
import Synchronization

/// What a service under load is, and what it is sent.
enum LoadKind: String, CaseIterable, Sendable {
  case chain, oracle, node, gateway
}

/// Makes the requests of a load test, and judges the responses.
protocol Workload: Sendable {
  /// What the requests are for.
  var kind: LoadKind { get }

  /// The kind of request, for the user.
  var name: String { get }

  /// The request of an index; indices begin with 0 and have no gaps.
  /// - Parameter due: When it is due, in seconds from the load's beginning.
  func request(_ index: Int, due: Double) throws -> LoadRequest

  /// How many tokens a whole answer has by its own count; zero where answers have none.
  func tokens(in body: ByteBuffer) -> Int

  /// Why a response counts as a failure; nil when it is a success.
  func failureReason(status: UInt, body: ByteBuffer) -> String?
}

extension Workload {
  func tokens(in body: ByteBuffer) -> Int { 0 }
}

/// One POST of JSON.
struct LoadRequest: Sendable {
  let path: String
  let body: [UInt8]
  /// How long the prompt was made, in tokens; nil where none was.
  var promptTokens: Int?
  /// How many tokens are asked for.
  var newTokens: Int?
}

/// Raw transfers of one wei among the well-known accounts.
///
/// The first and the last are left alone: they register the agents of reports, and the last one is
/// that with which the oracle of a network of agents sends.
struct ChainWorkload: Workload {
  let kind = LoadKind.chain
  let name = "transfers"
  private let chainID: UInt64
  private let gasPrice: Word
  private let firstNonces: [UInt64]
  private let accounts = Self.senders

  private static var senders: [DevelopmentAccount] {
    Array(DevelopmentAccount.standard.dropFirst().dropLast())
  }

  /// - Throws: `CommandFailure` (wrong input) when the accounts have no coins there.
  init(client: EthereumClient) async throws {
    chainID = try await client.chainID()
    let price = try await client.gasPrice()
    let doubled = price.addingReportingOverflow(price)
    gasPrice = doubled.overflow ? .max : doubled.partialValue
    var nonces: [UInt64] = []
    for account in Self.senders {
      guard try await client.balance(of: account.address) > 0 else {
        throw CommandFailure.wrongInput(
          "\(account.address.checksummed) has no coins on that chain; load is for development "
            + "chains, where the ten accounts of the well-known mnemonic are funded")
      }
      let nonce = try await client.transactionCount(of: account.address, at: .pending)
      // Source: EIP-2681; half of it leaves room for whatever a load sends.
      guard nonce <= .max / 2 else {
        throw CommandFailure.failed(
          "the chain says that \(account.address.checksummed) has sent \(nonce) transactions; "
            + "at most \(UInt64.max / 2) can be gone on from")
      }
      nonces.append(nonce)
    }
    firstNonces = nonces
  }

  func request(_ index: Int, due: Double) throws -> LoadRequest {
    let sender = index % accounts.count
    let transaction = Transaction(
      chainID: chainID, nonce: firstNonces[sender] + UInt64(index / accounts.count),
      fee: .legacy(gasPrice: gasPrice), gasLimit: 21_000,
      to: accounts[(sender + 1) % accounts.count].address, value: 1)
    let raw = transaction.signed(with: accounts[sender].key).raw
    let request: JSON = [
      "jsonrpc": "2.0", "id": .integer(index), "method": "eth_sendRawTransaction",
      "params": [.string(Hex.encode(raw))],
    ]
    return LoadRequest(path: "/", body: request.serialized())
  }

  func failureReason(status: UInt, body: ByteBuffer) -> String? {
    guard status == 200, let answer = try? JSON.parse(Array(body.readableBytesView)) else {
      return "status \(status)"
    }
    if answer["result"]?.stringValue != nil { return nil }
    return answer["error"]?["message"]?.stringValue ?? "an answer without result"
  }
}

/// Signed reports of so many agents that none reports twice in a second.
///
/// The timestamps are when reports are due, so that those that wait for a stalled oracle do not run
/// ahead of the clock when they are sent at once. An agent whose turn comes again within the same
/// second, because reports are faster than was expected, has one that is ahead by as little as can
/// be.
struct OracleWorkload: Workload {
  /// The most agents that are registered on a chain first, each of which is a transaction.
  static let mostRegistered = 500

  let kind = LoadKind.oracle
  let name: String
  private let dialect: ReportDialect
  private let keys: [SecretKey]
  private let timestamps: TimestampTable

  /// - Parameters:
  ///   - dialect: That of the oracle.
  ///   - rate: Reports a second.
  ///   - chainURL: The chain on which the agents are registered first; nil where no oracle asks
  ///     one.
  /// - Throws: What the chain refuses.
  init(_ dialect: ReportDialect, rate: Double, registeredOn chainURL: String?) async throws {
    self.dialect = dialect
    let wanted = Int(min(rate, 1e6).rounded(.up)) + 1
    let count = chainURL == nil ? wanted : min(wanted, Self.mostRegistered)
    keys = (0..<count).map { _ in SecretKey.random() }
    timestamps = TimestampTable(count: count, start: UnixClock.system.seconds)
    name = "\(dialect.rawValue) reports of \(count) agents"
    if let chainURL { try await Self.register(keys, on: chainURL) }
  }

  /// Registers agents, at the cost of the first well-known account.
  private static func register(_ keys: [SecretKey], on url: String) async throws {
    let client = EthereumClient(url: url)
    let configuration = ChainAgentConfiguration(
      chainID: try await client.chainID(), pollInterval: .milliseconds(20))
    let sponsor = ChainAgent(
      configuration, key: DevelopmentAccount.standard[0].key, client: client)
    for start in stride(from: 0, to: keys.count, by: 32) {
      let agents = keys[start..<min(keys.count, start + 32)].map(\.address)
      try await agents.concurrentMap { agent in
        let name = "load-\(agent.checksummed.suffix(8))"
        _ = try await sponsor.register(
          AgentRegistration(
            name: name, modelHash: Keccak256.hash("load"), beneficiary: agent))
      }
    }
  }

  func request(_ index: Int, due: Double) throws -> LoadRequest {
    let agent = index % keys.count
    let key = keys[agent]
    let round = Int64(index / keys.count)
    let (timestamp, uptime) = timestamps.next(of: agent, due: due)
    let measures = try ReportMeasures(
      agent: key.address, processedTokens: 100 * (round + 1), averageLatencyMilliseconds: 12.5,
      uptimeSeconds: uptime, tasksCompleted: round + 1, timestamp: timestamp)
    let body =
      switch dialect {
      case .documented: DocumentedReport.Payload(measures).signed(with: key).body
      case .deployed: DeployedReport.Payload(measures).signed(with: key).body
      }
    return LoadRequest(path: dialect.path, body: body.serialized())
  }

  func failureReason(status: UInt, body: ByteBuffer) -> String? {
    if (200..<300).contains(status) { return nil }
    let answer = try? JSON.parse(Array(body.readableBytesView))
    return "status \(status)" + (answer?["message"]?.stringValue.map { ": \($0)" } ?? "")
  }
}

/// The latest timestamp of each agent, so that every report's is above the one before.
private final class TimestampTable: Sendable {
  private let start: Int64
  private let latest: Mutex<[Int64]>

  init(count: Int, start: Int64) {
    self.start = start
    latest = Mutex([Int64](repeating: start - 1, count: count))
  }

  /// The timestamp of an agent's next report, and the seconds since the beginning.
  /// - Parameter due: When the report is due, in seconds from the beginning.
  func next(of agent: Int, due: Double) -> (timestamp: Int64, uptime: Int64) {
    latest.withLock { latest in
      latest[agent] = max(start + Int64(due), latest[agent] + 1)
      return (latest[agent], latest[agent] - start + 1)
    }
  }
}
