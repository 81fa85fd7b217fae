import EthereumClient
import EthereumPrimitives
import PlumiseWire

/// The nonce and the fees of a transaction.
struct TransactionParameters {
  let fee: Transaction.Fee
  /// How many transactions the account has sent, with those that wait.
  let nonce: UInt64
}

extension EthereumClient {
  /// Fee fields for a policy at the chain's present prices, and the next nonce, in one message.
  func parameters(
    _ policy: FeePolicy, nonceOf account: Address
  ) async throws -> TransactionParameters {
    let answers = try await ask(policy.queries + [.nonce(of: account)])
    return TransactionParameters(fee: try policy.fee(answers), nonce: try answers.nonce())
  }

  /// Fee fields for a policy at the chain's present prices.
  func fee(_ policy: FeePolicy) async throws -> Transaction.Fee {
    try policy.fee(await ask(policy.queries))
  }

  /// Sends a transaction; when the answer is lost, late or ambiguous, checks whether it arrived.
  ///
  /// Sending the same bytes again is harmless: a chain that has them says so.
  func sendEnsuringArrival(_ transaction: SignedTransaction) async throws {
    do {
      try await send(transaction)
    } catch let lost as ChainError where lost.isOutage || lost.code == .timedOut {
      // It may have arrived although no answer came.
      do {
        try await send(transaction)
      } catch let error as ChainError where error.code == .refused {
        guard try await hasTransaction(transaction.hash) else { throw lost }
      }
    } catch let refusal as ChainError where refusal.failure?.mayMeanAlreadyKnown == true {
      // Refused although it arrived: an earlier answer was lost on the way.
      guard try await hasTransaction(transaction.hash) else { throw refusal }
    }
  }
}

extension RPCFailure {
  /// Whether a chain says this of a transaction that it has, waiting or mined.
  fileprivate var mayMeanAlreadyKnown: Bool {
    message == "already known" || message.hasPrefix("nonce too low")
  }
}

/// A request for something that nonce and fees are computed from.
enum ChainQuery: Hashable {
  case gasPrice, tip, latestBlock
  case nonce(of: Address)

  var method: String {
    switch self {
    case .gasPrice: "eth_gasPrice"
    case .tip: "eth_maxPriorityFeePerGas"
    case .latestBlock: "eth_getBlockByNumber"
    case .nonce: "eth_getTransactionCount"
    }
  }

  var parameters: [JSON] {
    switch self {
    case .gasPrice, .tip: []
    case .latestBlock: ["latest", false]
    case .nonce(let account): [.string(account.lowercaseHex), "pending"]
    }
  }
}

/// What the chain answered; each answer is read, and may fail, only when it is needed.
struct ChainQueryResults {
  fileprivate var outcomes: [String: Result<JSON, ChainError>] = [:]

  func gasPrice() throws -> Word { try word(ChainQuery.gasPrice.method) }
  func tip() throws -> Word { try word(ChainQuery.tip.method) }

  func nonce() throws -> UInt64 {
    let method = ChainQuery.nonce(of: .zero).method
    guard let nonce = try word(method).exactUInt64() else {
      throw ChainError.malformedAnswer(method: method, reason: "more than 64 bits")
    }
    return nonce
  }

  /// Nil on a chain from before EIP-1559.
  func baseFee() throws -> Word? {
    let method = ChainQuery.latestBlock.method
    guard let fee = try answer(method)["baseFeePerGas"], !fee.isNull else { return nil }
    return try word(fee, method)
  }

  private func answer(_ method: String) throws -> JSON {
    guard let outcome = outcomes[method] else {
      throw ChainError.malformedAnswer(method: method, reason: "it was not asked")
    }
    return try outcome.get()
  }

  private func word(_ method: String) throws -> Word { try word(answer(method), method) }

  private func word(_ answer: JSON, _ method: String) throws -> Word {
    do {
      return try Quantity.decode(answer.stringValue ?? "")
    } catch {
      throw ChainError.malformedAnswer(method: method, reason: "\(error)")
    }
  }
}

extension EthereumClient {
  /// Asks everything in one message.
  func ask(_ queries: [ChainQuery]) async throws -> ChainQueryResults {
    let outcomes = try await batch(queries.map { ($0.method, $0.parameters) })
    var answers = ChainQueryResults()
    for (query, outcome) in zip(queries, outcomes) {
      answers.outcomes[query.method] = outcome
    }
    return answers
  }
}
