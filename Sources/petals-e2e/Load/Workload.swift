import EthereumClient
import EthereumPrimitives
import MockWeb3
import NIOCore
import PlumiseWire

/// Makes the requests of a load test, and judges the responses.
protocol Workload: Sendable {
  /// The kind of request, for the user.
  var name: String { get }

  /// The request of an index, from 0.
  func request(_ index: Int) throws -> LoadRequest

  /// Why a response counts as a failure; nil when it is a success.
  func failureReason(status: UInt, body: ByteBuffer) -> String?
}

/// One POST of JSON.
struct LoadRequest: Sendable {
  let path: String
  let body: [UInt8]
}

/// Raw transfers of one wei among the ten well-known accounts.
struct ChainWorkload: Workload {
  let name = "transfers"
  private let chainID: UInt64
  private let gasPrice: Word
  private let firstNonces: [UInt64]
  private let accounts = DevelopmentAccount.standard

  /// - Throws: `CommandFailure` (wrong input) when the accounts have no coins there.
  init(client: EthereumClient) async throws {
    chainID = try await client.chainID()
    let price = try await client.gasPrice()
    let doubled = price.addingReportingOverflow(price)
    gasPrice = doubled.overflow ? .max : doubled.partialValue
    var nonces: [UInt64] = []
    for account in DevelopmentAccount.standard {
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

  func request(_ index: Int) throws -> LoadRequest {
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
struct OracleWorkload: Workload {
  let name: String
  private let dialect: ReportDialect
  private let keys: [SecretKey]
  private let start = UnixClock.system.seconds

  /// - Parameter rate: reports a second.
  init(_ dialect: ReportDialect, rate: Double) {
    self.dialect = dialect
    keys = (0..<Int(rate.rounded(.up)) + 1).map { _ in SecretKey.random() }
    name = "\(dialect.rawValue) reports of \(keys.count) agents"
  }

  func request(_ index: Int) throws -> LoadRequest {
    let key = keys[index % keys.count]
    let round = Int64(index / keys.count)
    let measures = try ReportMeasures(
      agent: key.address, processedTokens: 100 * (round + 1), averageLatencyMilliseconds: 12.5,
      uptimeSeconds: round + 1, tasksCompleted: round + 1, timestamp: start + round)
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

/// Generations of eight tokens through a node's HTTP interface.
struct NodeWorkload: Workload {
  static let path = "/api/v1/generate"

  let name = "generations of 8 tokens"

  func request(_ index: Int) throws -> LoadRequest {
    let body: JSON = [
      "inputs": .string("Explain quantum computing, part \(index + 1)"),
      "parameters": ["max_new_tokens": 8, "do_sample": false],
    ]
    return LoadRequest(path: Self.path, body: body.serialized())
  }

  func failureReason(status: UInt, body: ByteBuffer) -> String? {
    status == 200 ? nil : "status \(status): \(String(buffer: body).prefix(120))"
  }
}
