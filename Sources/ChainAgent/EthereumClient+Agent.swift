import EthereumClient
import EthereumPrimitives
import PlumiseWire

/// What a transaction needs to know of the chain.
struct SendingTerms {
  let fee: Transaction.Fee
  /// How many transactions the account has sent, with those that wait.
  let nonce: UInt64
}

extension EthereumClient {
  /// Fee fields for a policy at the chain's present prices, and the next nonce, in one message.
  func terms(_ policy: FeePolicy, nonceOf account: Address) async throws -> SendingTerms {
    let answers = try await ask(policy.questions + [.nonce(of: account)])
    return SendingTerms(fee: try policy.fee(answers), nonce: try answers.nonce())
  }

  /// Fee fields for a policy at the chain's present prices.
  func fee(_ policy: FeePolicy) async throws -> Transaction.Fee {
    try policy.fee(await ask(policy.questions))
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
