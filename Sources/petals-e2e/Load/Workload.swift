import ArgumentParser
import EthereumClient
import EthereumPrimitives
import Foundation
import MockWeb3
import NIOCore
import PlumiseWire
import SystemErrors

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

/// What generations of a load ask for.
struct GenerationLoadOptions: ParsableArguments {
  @Option(
    help:
      "For a node: a file of prompts, one a line, which are sent in their order, over and over.",
    completion: .file())
  var prompts: String?

  @Option(
    within: WholeNumbers("a number of tokens", 1...4096),
    help: "For a node: how many tokens each generation makes.")
  var tokens = 8

  @Flag(help: "For a node: have tokens streamed, so that ttft, tpot and itl are measured.")
  var stream = false
}

/// Generations through a node's HTTP interface.
struct NodeWorkload: Workload {
  static let path = "/api/v1/generate"

  let name: String
  private let prompts: [String]
  private let tokens: Int
  private let isStreamed: Bool

  /// - Throws: `CommandFailure` (wrong input) for a file of prompts that cannot be read or has none.
  init(_ options: GenerationLoadOptions) throws {
    tokens = options.tokens
    isStreamed = options.stream
    name = "\(options.stream ? "streamed " : "")generations of \(options.tokens) tokens"
    guard let path = options.prompts else {
      prompts = []
      return
    }
    do {
      prompts = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").map(
        String.init)
    } catch {
      throw CommandFailure.wrongInput("cannot read --prompts \(path): \(error.systemReason)")
    }
    guard !prompts.isEmpty else {
      throw CommandFailure.wrongInput("--prompts \(path) has no line with a prompt")
    }
  }

  func request(_ index: Int) throws -> LoadRequest {
    let prompt =
      prompts.isEmpty
      ? "Explain quantum computing, part \(index + 1)" : prompts[index % prompts.count]
    let body: JSON = [
      "inputs": .string(prompt), "stream": .bool(isStreamed),
      "parameters": ["max_new_tokens": .integer(tokens), "do_sample": false],
    ]
    return LoadRequest(path: Self.path, body: body.serialized())
  }

  func failureReason(status: UInt, body: ByteBuffer) -> String? {
    guard status == 200 else { return "status \(status): \(String(buffer: body).prefix(120))" }
    // A stream that breaks down says so in its last event, or has none.
    if !isStreamed { return nil }
    let last = try? JSON.parse(Array(body.readableBytesView))
    if last?["is_finished"] == true { return nil }
    return last?["message"]?.stringValue ?? "the stream ended without its last event"
  }
}
