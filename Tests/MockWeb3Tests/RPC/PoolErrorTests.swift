import EthereumClient
import EthereumPrimitives
import MockWeb3
import PlumiseWire
import TestSupport
import Testing

@Suite("Refused transactions", .timeLimit(.minutes(5)))
struct PoolErrorTests {
  let network = TestChain()
  var sender: DevelopmentAccount { network.account(0) }

  /// What the chain says to a transaction.
  private func refusal(of raw: [UInt8]) async throws -> String? {
    let failure = try await network.failure("eth_sendRawTransaction", .string(Hex.encode(raw)))
    if let failure { #expect(failure.code == -32000) }
    return failure?.message
  }

  private func refusal(of transaction: SignedTransaction) async throws -> String? {
    try await refusal(of: transaction.raw)
  }

  private func feeMarket(tip: Word, maximum: Word) -> Transaction.Fee {
    .feeMarket(maxPriorityFeePerGas: tip, maxFeePerGas: maximum, [])
  }

  @Test("A nonce that was used is too low")
  func nonceTooLow() async throws {
    try await network.send(to: .precompile(0x23), from: sender)
    let again = network.transaction(from: sender, nonce: 0, gas: 50_000)
    #expect(try await refusal(of: again) == "nonce too low: next nonce 1, tx nonce 0")
  }

  @Test("A value beyond the balance names balance, cost and what is missing")
  func insufficientFunds() async throws {
    let balance = DevelopmentAccount.defaultBalance
    let transaction = network.transaction(from: sender, gas: 21_000, to: .zero, value: balance)
    let cost = balance + 21_000 * 2_000_000_000
    #expect(
      try await refusal(of: transaction)
        == "insufficient funds for gas * price + value: balance \(balance), tx cost \(cost), "
        + "overshot 42000000000000")
  }

  @Test("What waits counts against the balance")
  func queuedFunds() async throws {
    network.chain.setMining(.manual)
    let half = DevelopmentAccount.defaultBalance / 2
    let first = network.transaction(from: sender, nonce: 0, gas: 21_000, to: .zero, value: half)
    let second = network.transaction(from: sender, nonce: 1, gas: 21_000, to: .zero, value: half)
    #expect(try await refusal(of: first) == nil)
    let words = try #require(try await refusal(of: second))
    #expect(words.contains("queued cost"))
    #expect(words.hasSuffix("overshot 84000000000000"))
  }

  @Test("A replacement that the balance does not cover names by how much it raises the cost")
  func bumpedFunds() async throws {
    network.chain.setMining(.manual)
    let half = DevelopmentAccount.defaultBalance / 2
    let balance = DevelopmentAccount.defaultBalance
    let fee = Transaction.Fee.legacy(gasPrice: 2_000_000_000)
    let cheap = network.transaction(
      from: sender, nonce: 0, fee: fee, gas: 21_000, to: .zero, value: 1)
    let next = network.transaction(
      from: sender, nonce: 1, fee: fee, gas: 21_000, to: .zero, value: half)
    #expect(try await refusal(of: cheap) == nil)
    #expect(try await refusal(of: next) == nil)
    let dear = network.transaction(
      from: sender, nonce: 0, fee: .legacy(gasPrice: 4_000_000_000), gas: 21_000, to: .zero,
      value: half)
    let queued = half + 1 + 84_000_000_000_000
    let bump = half - 1 + 42_000_000_000_000
    #expect(
      try await refusal(of: dear)
        == "insufficient funds for gas * price + value: balance \(balance), "
        + "queued cost \(queued), tx bumped \(bump), overshot \(queued + bump - balance)")
    // One behind a gap costs nothing yet, and its replacement saves nothing either.
    let late = network.transaction(
      from: sender, nonce: 5, fee: fee, gas: 21_000, to: .zero, value: half - 1_000_000_000_000_000)
    #expect(try await refusal(of: late) == nil)
    let later = network.transaction(
      from: sender, nonce: 5, fee: .legacy(gasPrice: 4_000_000_000), gas: 21_000, to: .zero,
      value: half)
    #expect(try await refusal(of: later)?.contains("tx cost") == true)
  }

  @Test("Gas below the intrinsic gas is too low")
  func intrinsicGas() async throws {
    let transaction = network.transaction(from: sender, gas: 21_015, data: [1])
    #expect(
      try await refusal(of: transaction)
        == "intrinsic gas too low: gas 21015, minimum needed 21016")
  }

  @Test("Gas above the block's limit is refused")
  func blockGasLimit() async throws {
    let transaction = network.transaction(from: sender, gas: 30_000_001)
    #expect(try await refusal(of: transaction) == "exceeds block gas limit")
  }

  @Test("The same transaction twice is already known")
  func alreadyKnown() async throws {
    network.chain.setMining(.manual)
    let transaction = network.transaction(from: sender)
    #expect(try await refusal(of: transaction) == nil)
    #expect(try await refusal(of: transaction) == "already known")
  }

  @Test(
    "A replacement raises both fees by a tenth",
    arguments: [
      (tip: 109, maximum: 220, isEnough: false), (110, 219, false), (110, 220, true),
      (100, 200, false),
    ] as [(tip: UInt64, maximum: UInt64, isEnough: Bool)])
  func replacement(tip: UInt64, maximum: UInt64, isEnough: Bool) async throws {
    network.chain.setMining(.manual)
    let gwei: Word = 1_000_000_000
    let old = network.transaction(
      from: sender, fee: feeMarket(tip: 100 * gwei, maximum: 200 * gwei))
    #expect(try await refusal(of: old) == nil)
    let new = network.transaction(
      from: sender, fee: feeMarket(tip: Word(tip) * gwei, maximum: Word(maximum) * gwei),
      gas: 299_999)
    #expect(
      try await refusal(of: new) == (isEnough ? nil : "replacement transaction underpriced"))
    #expect(network.chain.waitingTransactionCount == 1)
  }

  @Test("A tip of nothing is underpriced")
  func underpriced() async throws {
    let transaction = network.transaction(from: sender, fee: feeMarket(tip: 0, maximum: 5))
    #expect(
      try await refusal(of: transaction)
        == "transaction underpriced: gas tip cap 0, minimum needed 1")
  }

  @Test("A tip above the limit is refused")
  func tipAboveFeeCap() async throws {
    let transaction = network.transaction(from: sender, fee: feeMarket(tip: 6, maximum: 5))
    #expect(
      try await refusal(of: transaction)
        == "max priority fee per gas higher than max fee per gas")
  }

  @Test("A transaction for another chain has an invalid sender")
  func wrongChain() async throws {
    let transaction = network.transaction(from: sender, chainID: 419_561)
    #expect(try await refusal(of: transaction) == "invalid sender")
  }

  @Test("A signature outside the curve has an invalid sender")
  func badSignature() async throws {
    var raw = network.transaction(from: sender).raw
    // The last 32 bytes are s: made larger than half the order, which EIP-2 forbids.
    raw.replaceSubrange((raw.count - 32)..., with: [UInt8](repeating: 0xee, count: 32))
    #expect(try await refusal(of: raw) == "invalid sender")
  }

  @Test("An altered transaction comes from somebody who has no coins")
  func alteredTransaction() async throws {
    let transaction = network.transaction(from: sender, to: .zero, value: 1000)
    let altered = SignedTransaction(
      Transaction(
        chainID: 41956, nonce: 0, fee: transaction.transaction.fee, gasLimit: 300_000, to: .zero,
        value: 1001), signature: transaction.signature)
    let words = try #require(try await refusal(of: altered))
    #expect(words.hasPrefix("insufficient funds for gas * price + value: balance 0"))
  }

  @Test("An unprotected transaction is refused")
  func unprotected() async throws {
    let transaction = Transaction.unprotected(
      nonce: 0, gasPrice: 2_000_000_000, gasLimit: 21_000, to: .zero
    ).signed(with: sender.key)
    #expect(
      try await refusal(of: transaction)
        == "only replay-protected (EIP-155) transactions allowed over RPC")
  }

  @Test("An unknown type is not supported", arguments: [0x04, 0x7f] as [UInt8])
  func unknownType(type: UInt8) async throws {
    #expect(try await refusal(of: [type, 0xc0]) == "transaction type not supported")
  }

  @Test("Bytes that are no transaction are refused in RLP's words")
  func malformed() async throws {
    let raw = network.transaction(from: sender).raw
    for bytes in [Array(raw.dropLast()), raw + [0], [0xc0], [0xc1, 0x80]] {
      let words = try #require(try await refusal(of: bytes))
      #expect(words.hasPrefix("rlp: "), "\(words)")
    }
  }

  @Test("A gap in the nonces makes transactions wait until it is filled")
  func nonceGap() async throws {
    let late = network.transaction(from: sender, nonce: 1, to: .precompile(0x23))
    #expect(try await refusal(of: late) == nil)
    #expect(network.chain.blockNumber == 0)
    #expect(try await network.client.receipt(of: late.hash) == nil)
    #expect(
      try await network.client.request("txpool_status") == ["pending": "0x0", "queued": "0x1"])
    let first = network.transaction(from: sender, nonce: 0, to: .precompile(0x23))
    #expect(try await refusal(of: first) == nil)
    #expect(try await network.client.receipt(of: late.hash)?.succeeded == true)
    #expect(network.chain.waitingTransactionCount == 0)
  }
}
