import EthereumClient
import EthereumPrimitives
import PlumiseWire

/// What a transaction needs to know of the chain.
struct SendingTerms {
  let fee: Transaction.Fee
  /// The account's next nonce; nil when it was not asked for.
  let nonce: UInt64?
}

extension EthereumClient {
  /// Fee fields for a policy at the chain's present prices, and the next nonce, in one message.
  /// - Parameter account: whose nonce is asked for; nil when it is known.
  func terms(_ policy: FeePolicy, nonceOf account: Address?) async throws -> SendingTerms {
    let questions = policy.questions + (account.map { [ChainQuestion.nonce(of: $0)] } ?? [])
    let answers = try await ask(questions)
    return SendingTerms(
      fee: try policy.fee(answers), nonce: account == nil ? nil : try answers.nonce())
  }

  /// Sends a transaction; when no answer comes, or none in time, or one that may mean so, finds out
  /// whether it arrived.
  ///
  /// Sending the same bytes again is harmless: a chain that has them says so.
  func sendSurely(_ transaction: SignedTransaction) async throws {
    do {
      try await send(transaction)
    } catch let silence as EthereumClientError where silence.leavesArrivalOpen {
      do {
        try await send(transaction)
      } catch EthereumClientError.refused {
        guard try await knows(transaction.hash) else { throw silence }
      }
    } catch EthereumClientError.refused(let method, let failure)
      where failure.mayMeanArrived
    {
      // Refused although it arrived: an earlier answer was lost on the way.
      guard try await knows(transaction.hash) else {
        throw EthereumClientError.refused(method: method, failure)
      }
    }
  }
}

extension EthereumClientError {
  /// Whether what was sent may have arrived although no answer came.
  fileprivate var leavesArrivalOpen: Bool {
    switch self {
    case .outage, .timedOut: true
    case .refused, .reverted, .malformedAnswer: false
    }
  }
}

extension RPCFailure {
  /// Whether a chain says this of a transaction that it has, waiting or mined.
  fileprivate var mayMeanArrived: Bool {
    message == "already known" || message.hasPrefix("nonce too low")
  }
}
