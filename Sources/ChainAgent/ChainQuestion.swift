import EthereumClient
import EthereumPrimitives
import PlumiseWire

/// Something that a transaction needs to know of the chain.
enum ChainQuestion: Hashable {
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
struct ChainAnswers {
  fileprivate var outcomes: [String: Result<JSON, EthereumClientError>] = [:]

  func gasPrice() throws -> Word { try word(ChainQuestion.gasPrice.method) }
  func tip() throws -> Word { try word(ChainQuestion.tip.method) }

  func nonce() throws -> UInt64 {
    let method = ChainQuestion.nonce(of: .zero).method
    guard let nonce = try word(method).exactUInt64() else {
      throw EthereumClientError.malformedAnswer(method: method, reason: "more than 64 bits")
    }
    return nonce
  }

  /// Nil on a chain from before EIP-1559.
  func baseFee() throws -> Word? {
    let method = ChainQuestion.latestBlock.method
    guard let fee = try answer(method)["baseFeePerGas"], !fee.isNull else { return nil }
    return try word(fee, method)
  }

  private func answer(_ method: String) throws -> JSON {
    guard let outcome = outcomes[method] else {
      throw EthereumClientError.malformedAnswer(method: method, reason: "it was not asked")
    }
    return try outcome.get()
  }

  private func word(_ method: String) throws -> Word { try word(answer(method), method) }

  private func word(_ answer: JSON, _ method: String) throws -> Word {
    do {
      return try Quantity.decode(answer.stringValue ?? "")
    } catch {
      throw EthereumClientError.malformedAnswer(method: method, reason: "\(error)")
    }
  }
}

extension EthereumClient {
  /// Asks everything in one message.
  func ask(_ questions: [ChainQuestion]) async throws -> ChainAnswers {
    let outcomes = try await batch(questions.map { ($0.method, $0.parameters) })
    var answers = ChainAnswers()
    for (question, outcome) in zip(questions, outcomes) {
      answers.outcomes[question.method] = outcome
    }
    return answers
  }
}
