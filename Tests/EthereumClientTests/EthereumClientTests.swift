import EthereumClient
import EthereumPrimitives
import MockServing
import MockWeb3
import PlumiseTesting
import PlumiseWire
import TestSupport
import Testing

@Suite("Ethereum client", .timeLimit(.minutes(5)))
struct EthereumClientTests {
  @Test("Over HTTP it reads what the chain knows")
  func reads() async throws {
    let chain = MockWeb3()
    try await chain.withServer { (address) async throws in
      let client = EthereumClient(url: address.url)
      let account = chain.accounts[0]
      #expect(try await client.chainID() == 41956)
      #expect(try await client.blockNumber() == 0)
      #expect(try await client.balance(of: account.address) == account.balance)
      #expect(try await client.gasPrice() == 2_000_000_000)
      #expect(try await client.maxPriorityFeePerGas() == 1_000_000_000)
      #expect(try await client.baseFee() == 1_000_000_000)
      #expect(try await client.timestamp() == chain.latestBlock.header.timestamp)
      // geth's search ends within 1.5 % of the least gas.
      #expect(try await (21_016...21_335).contains(client.estimateGas(to: .zero, data: [1])))
      #expect(try await !client.isAgentAccount(account.address))
    }
  }

  @Test("A port that no socket takes is an error, not the end of the process")
  func impossiblePort() async throws {
    for port in ["0", "65536", "99999", "18446744073709551696", "-1"] {
      let url = "http://127.0.0.1:\(port)"
      let error = await #expect(throws: ChainError.self) {
        try await EthereumClient(url: url).chainID()
      }
      #expect(error.map { "\($0)".contains("from 1 to 65535") } == true, "\(port)")
    }
  }

  @Test("A batch gives each request its own outcome, whatever their order")
  func batch() async throws {
    let client = EthereumClient(
      transport: InMemoryRPCTransport { _ in
        Array(
          #"[{"jsonrpc":"2.0","id":3,"result":"c"},{"jsonrpc":"2.0","id":1,"result":"a"},"#.utf8)
          + Array(#"{"jsonrpc":"2.0","id":2,"error":{"code":-32000,"message":"b"}}]"#.utf8)
      })
    let outcomes = try await client.batch([("x", []), ("y", []), ("z", [])])
    #expect(
      outcomes == [
        .success("a"), .failure(.answered(.refused("b"), method: "y")), .success("c"),
      ])
  }

  /// Asks a server for its chain id.
  private func error(
    of url: String, clock: any Clock<Duration> = ContinuousClock()
  ) async throws -> ChainError? {
    do {
      _ = try await EthereumClient(url: url, clock: clock).chainID()
      return nil
    } catch let error as ChainError {
      return error
    }
  }

  @Test("A port where nothing listens is an outage that says so")
  func connectionRefused() async throws {
    try await withClosedPort { address async throws in
      let url = address.url
      #expect(try await error(of: url) == .connectionRefused(url: url))
    }
  }

  @Test(
    "A connection that ends early is an outage",
    arguments: [
      .drop(.beforeHandling), .drop(.beforeHandling, .reset), .drop(.beforeAnswer, .reset),
      .drop(.midBody(after: 5), .reset), .drop(.midBody(after: 5)),
    ] as [Fault])
  func connectionLost(fault: Fault) async throws {
    let chain = MockWeb3()
    chain.connectionFaults.add(fault)
    try await chain.withServer { address in
      guard try await error(of: address.url)?.code == .connectionLost else {
        Issue.record("the answer came in spite of \(fault)")
        return
      }
      #expect(try await error(of: address.url) == nil)
    }
  }

  @Test("A status that is no success is an outage with the status")
  func httpStatus() async throws {
    let chain = MockWeb3()
    chain.connectionFaults.add(.status(503))
    try await chain.withServer { (address) async throws in
      #expect(
        try await error(of: address.url) == .httpStatus(503, url: address.url))
    }
  }

  @Test("An answer that never comes is a time-out, on the client's clock")
  func timeout() async throws {
    let chain = MockWeb3()
    chain.connectionFaults.add(.neverAnswer)
    try await chain.withServer { address in
      let clock = ManualClock()
      async let outcome = error(of: address.url, clock: clock)
      try await clock.waitForSleepers()
      clock.advance(by: .seconds(30))
      #expect(
        try await outcome
          == .timedOut(waitingFor: "answer to eth_chainId", after: .seconds(30)))
    }
  }

  @Test(
    "An answer that is none is malformed",
    arguments: [
      "", "<html>", "[]", "{}", #"{"jsonrpc":"2.0","id":1,"result":7}"#,
      #"{"jsonrpc":"2.0","id":9,"result":"0x1"}"#,
      #"{"jsonrpc":"2.0","id":1,"result":"0x01"}"#,
      #"{"jsonrpc":"2.0","id":1,"error":{"code":"x"}}"#,
    ])
  func malformed(body: String) async throws {
    let client = EthereumClient(transport: InMemoryRPCTransport { _ in Array(body.utf8) })
    await #expect {
      try await client.chainID()
    } throws: { error in
      let error = error as? ChainError
      return error?.code == .malformedAnswer
        && error?.message.hasPrefix("malformed answer to eth_chainId: ") == true
    }
  }

  @Test("A refusal keeps code and message, a revert its reason")
  func refusals() async throws {
    let network = TestChain()
    await #expect(
      throws: ChainError.answered(
        .methodNotFound("eth_nonsense"), method: "eth_nonsense")
    ) { try await network.client.request("eth_nonsense") }
    let reason = "agentHeartbeat: not registered"
    let revert = await #expect(
      throws: ChainError.answered(.reverted(reason: reason), method: "eth_call")
    ) { try await network.client.call(to: .precompile(0x22)) }
    #expect(revert?.code == .reverted && revert?.reason == reason && revert?.receipt == nil)
    #expect(revert?.revertData == ABI.encodeError(reason))
  }

  @Test("With automatic mining the first look finds the receipt")
  func receiptAtOnce() async throws {
    let network = TestChain()
    let client = EthereumClient(
      transport: InMemoryRPCTransport { await network.chain.respond(to: $0) })
    let transaction = network.transaction(from: network.account(0))
    try await client.send(transaction)
    let receipt = try await client.waitForReceipt(of: transaction.hash)
    #expect(receipt.blockNumber == 1)
    #expect(
      network.chain.journal.entries.filter { $0.method == "eth_getTransactionReceipt" }.count == 1)
  }

  @Test("A receipt is looked for again and again, also through an outage")
  func receiptLater() async throws {
    let network = TestChain()
    let waiting = TestTransport(chain: network.chain)
    let clock = ManualClock()
    // The request's own time-out sleeps on the same clock, for longer than the pauses.
    let client = EthereumClient(transport: waiting, clock: clock)
    network.chain.setMining(.manual)
    let transaction = network.transaction(from: network.account(0), to: .precompile(0x23))
    try await client.send(transaction)
    async let receipt = client.waitForReceipt(of: transaction.hash, timeout: .seconds(10))
    try await clock.waitForSleeper(until: .milliseconds(500))
    clock.advance(by: .milliseconds(500))
    try await clock.waitForSleeper(until: .milliseconds(1000))
    waiting.fail(next: 1)
    clock.advance(by: .milliseconds(500))
    try await clock.waitForSleeper(until: .milliseconds(1500))
    network.chain.mine()
    clock.advance(by: .milliseconds(500))
    #expect(try await receipt.succeeded)
  }

  @Test("A receipt that does not come is a time-out")
  func receiptNever() async throws {
    let network = TestChain()
    let clock = ManualClock()
    let client = EthereumClient(
      transport: InMemoryRPCTransport { await network.chain.respond(to: $0) }, clock: clock)
    let receipt = Task {
      try await client.waitForReceipt(
        of: .zero, timeout: .seconds(1), pollInterval: .seconds(5))
    }
    try await clock.waitForSleeper(until: .seconds(1))
    clock.advance(by: .seconds(1))
    await #expect(
      throws: ChainError.timedOut(
        waitingFor: "receipt of \(Hash32.zero.hex)", after: .seconds(1))
    ) { try await receipt.value }
  }
}
