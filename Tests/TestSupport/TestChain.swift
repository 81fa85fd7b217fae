package import EthereumClient
package import EthereumPrimitives
package import MockWeb3
package import PlumiseWire
import Synchronization

/// A chain in this process on a clock that stands still, with a client.
package struct TestChain {
  package let chain: MockWeb3
  package let client: EthereumClient

  /// The time of the frozen clock, in seconds since 1970.
  package static let time: UInt64 = 1_770_000_000

  package init(_ configuration: ChainConfiguration = ChainConfiguration()) {
    self.init(
      MockWeb3(configuration, unixClock: UnixClock { .seconds(Int64(TestChain.time)) }))
  }

  package init(_ chain: MockWeb3) {
    self.chain = chain
    client = EthereumClient(transport: InMemoryRPCTransport { await chain.respond(to: $0) })
  }

  /// One of the accounts with coins.
  package func account(_ index: Int) -> DevelopmentAccount { chain.accounts[index] }

  /// The account whose contributions the reward pool accepts.
  package var oracle: DevelopmentAccount { chain.accounts[9] }

  /// A transaction at the account's next nonce, unless told otherwise.
  package func transaction(
    from account: DevelopmentAccount, nonce: UInt64? = nil, fee: Transaction.Fee? = nil,
    gas: UInt64 = 300_000, to: Address = .precompile(0x22), value: Word = .zero,
    data: [UInt8] = [], chainID: UInt64? = nil
  ) -> SignedTransaction {
    Transaction(
      chainID: chainID ?? chain.configuration.rules.chainID,
      nonce: nonce ?? chain.nonce(of: account.address),
      fee: fee ?? .legacy(gasPrice: 2_000_000_000), gasLimit: gas, to: to, value: value, data: data
    ).signed(with: account.key)
  }

  /// Sends a call of a program and gives its receipt; automatic mining has put it in a block.
  @discardableResult
  package func send(
    _ data: [UInt8] = [], to: Address, from account: DevelopmentAccount, value: Word = .zero,
    gas: UInt64 = 300_000
  ) async throws -> Receipt {
    let hash = try await client.send(
      transaction(from: account, gas: gas, to: to, value: value, data: data))
    guard let receipt = try await client.receipt(of: hash) else { throw NotMined(hash: hash) }
    return receipt
  }

  package struct NotMined: Error {
    package let hash: Hash32

    package init(hash: Hash32) { self.hash = hash }
  }

  /// Sends a call of a precompile.
  @discardableResult
  package func send(
    _ call: PrecompileCall, from account: DevelopmentAccount
  ) async throws -> Receipt {
    try await send(call.input, to: call.contract.address, from: account)
  }

  /// Why a call is reverted, or nil when it goes through.
  package func revertReason(
    _ data: [UInt8], to: Address, from account: DevelopmentAccount
  ) async throws -> String? {
    do {
      _ = try await client.call(to: to, data: data, from: account.address)
      return nil
    } catch let error as ChainError where error.code == .reverted {
      return error.reason ?? ""
    }
  }

  /// Registers an account and lets it beat once.
  package func registerActive(
    _ account: DevelopmentAccount, name: String = "agent"
  ) async throws {
    try await send(
      .registration(AgentRegistration(name: name, modelHash: .zero)), from: account)
    try await send(.heartbeat(agent: nil), from: account)
  }

  /// The error that the chain answers a request with.
  package func failure(_ method: String, _ parameters: JSON...) async throws -> RPCFailure? {
    do {
      _ = try await client.request(method, parameters)
      return nil
    } catch let error as ChainError where error.code == .refused {
      return error.failure
    }
  }
}

/// A chain in this process whose answers can be lost, before or after it did what was asked.
package final class TestTransport: RPCTransport {
  private struct State {
    var lostRequests = 0
    var lostAnswer: String?
    var heldAnswer: String?
  }

  private let chain: MockWeb3
  private let state = Mutex(State())

  package init(chain: MockWeb3) { self.chain = chain }

  /// The next requests do not arrive.
  package func fail(next count: Int) { state.withLock { $0.lostRequests = count } }

  /// The next request of a method arrives; its answer does not.
  package func loseAnswer(to method: String) { state.withLock { $0.lostAnswer = method } }

  /// The next request of a method arrives; its answer comes when nobody waits for it any more.
  package func holdAnswer(to method: String) { state.withLock { $0.heldAnswer = method } }

  package func send(_ body: [UInt8]) async throws -> [UInt8] {
    let text = String(decoding: body, as: UTF8.self)
    let (isRequestLost, isAnswerLost) = state.withLock { state in
      let request = state.lostRequests > 0
      if request { state.lostRequests -= 1 }
      let answer = !request && state.lostAnswer.map { text.contains("\"\($0)\"") } ?? false
      if answer { state.lostAnswer = nil }
      return (request, answer)
    }
    let lost = ChainError.connectionLost(url: "test", reason: "on purpose")
    if isRequestLost { throw lost }
    let answer = await chain.respond(to: body)
    let isHeld = state.withLock { state in
      let isHeld = state.heldAnswer.map { text.contains("\"\($0)\"") } ?? false
      if isHeld { state.heldAnswer = nil }
      return isHeld
    }
    if isHeld {
      // The stream ends when the task is cancelled.
      for await _ in AsyncStream<Never>.makeStream().stream {}
      throw CancellationError()
    }
    guard let answer, !isAnswerLost else { throw lost }
    return answer
  }
}
