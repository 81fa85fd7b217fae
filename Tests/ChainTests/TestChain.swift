import EthereumClient
import EthereumPrimitives
import MockWeb3
import PlumiseWire

/// A chain in this process on a clock that stands still, with a client.
struct TestChain {
  let chain: MockWeb3
  let client: EthereumClient

  /// The time of the frozen clock, in seconds since 1970.
  static let time: UInt64 = 1_770_000_000

  init(_ configuration: ChainConfiguration = ChainConfiguration()) {
    self.init(
      MockWeb3(configuration, wallClock: UnixClock { .seconds(Int64(TestChain.time)) }))
  }

  init(_ chain: MockWeb3) {
    self.chain = chain
    client = EthereumClient(transport: InMemoryTransport { await chain.respond(to: $0) })
  }

  /// One of the accounts with coins.
  func account(_ index: Int) -> DevelopmentAccount { chain.accounts[index] }

  /// The account whose contributions the reward pool accepts.
  var oracle: DevelopmentAccount { chain.accounts[9] }

  /// A transaction at the account's next nonce, unless told otherwise.
  func transaction(
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
  func send(
    _ data: [UInt8] = [], to: Address, from account: DevelopmentAccount, value: Word = .zero
  ) async throws -> Receipt {
    let hash = try await client.send(
      transaction(from: account, to: to, value: value, data: data))
    guard let receipt = try await client.receipt(of: hash) else { throw NotMined(hash: hash) }
    return receipt
  }

  struct NotMined: Error { let hash: Hash32 }

  /// Sends a call of a precompile.
  @discardableResult
  func send(_ call: PrecompileCall, from account: DevelopmentAccount) async throws -> Receipt {
    try await send(call.input, to: call.contract.address, from: account)
  }

  /// Why a call is reverted, or nil when it goes through.
  func revertReason(
    _ data: [UInt8], to: Address, from account: DevelopmentAccount
  ) async throws -> String? {
    do {
      _ = try await client.call(to: to, data: data, from: account.address)
      return nil
    } catch EthereumClientError.reverted(let reason, _) {
      return reason ?? ""
    }
  }

  /// Registers an account and lets it beat once.
  func registerActive(_ account: DevelopmentAccount, name: String = "agent") async throws {
    try await send(
      .registration(AgentRegistration(name: name, modelHash: .zero)), from: account)
    try await send(.heartbeat(agent: nil), from: account)
  }

  /// The error that the chain answers a request with.
  func failure(_ method: String, _ parameters: JSON...) async throws -> RPCFailure? {
    do {
      _ = try await client.request(method, parameters)
      return nil
    } catch EthereumClientError.refused(_, let failure) {
      return failure
    }
  }
}
