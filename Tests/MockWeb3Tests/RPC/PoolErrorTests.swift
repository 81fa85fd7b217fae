import EVM
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

  @Test(
    "A fee above the cap is refused before all else, rounded as Go rounds",
    arguments: [
      (1_000_000_000_000_000, "21.00"), (1_000_001_000_000_000, "21.00"),
      (100_000_000_000_000, "2.10"), (47_619_047_619_048, "1.00"),
      (71_666_666_666_667, "1.51"), (71_190_476_190_476, "1.49"),
      (71_190_476_190_477, "1.50"),
    ] as [(price: Word, fee: String)])
  func feeAboveCap(price: Word, fee: String) async throws {
    let transaction = network.transaction(
      from: sender, nonce: 7, fee: .legacy(gasPrice: price), gas: 21_000, to: .zero)
    let words = "tx fee (\(fee) ether) exceeds the configured cap (1.00 ether)"
    #expect(try await refusal(of: transaction) == words)
    let request: JSON = [
      "from": .string(sender.address.lowercaseHex), "to": .string(sender.address.lowercaseHex),
      "gas": "0x5208", "gasPrice": .string(Quantity.encode(price)),
    ]
    #expect(try await network.failure("eth_sendTransaction", request) == .refused(words))
    var configuration = ChainConfiguration()
    configuration.transactionFeeCap = nil
    let free = TestChain(configuration)
    let raw = JSON.string(Hex.encode(transaction.raw))
    #expect(try await free.failure("eth_sendRawTransaction", raw) == nil)
  }

  @Test("A fee of 1 ether is no higher than the cap, nor is one that is as near as doubles tell")
  func feeAtCap() async throws {
    let ether: Word = 1_000_000_000_000_000_000
    // One unit of gas would be too little; the chain says so after it looked at the fee.
    for wei in [ether - 1, ether, ether + 1, ether + 111] {
      let transaction = network.transaction(from: sender, fee: .legacy(gasPrice: wei), gas: 1)
      let words = try await refusal(of: transaction)
      #expect(words == "intrinsic gas too low: gas 1, minimum needed 21000")
    }
    let above = network.transaction(from: sender, fee: .legacy(gasPrice: ether + 112), gas: 1)
    let cap = "exceeds the configured cap (1.00 ether)"
    #expect(try await refusal(of: above) == "tx fee (1.00 ether) \(cap)")
    // 2^256 - 1 wei, and what no word holds.
    for (gas, digits) in [(1, 60), (10, 61)] as [(UInt64, Int)] {
      let enormous = network.transaction(from: sender, fee: .legacy(gasPrice: .max), gas: gas)
      let words = try #require(try await refusal(of: enormous))
      #expect(words.hasPrefix("tx fee (115792089237316") && words.hasSuffix(cap), "\(words)")
      #expect(words.count == "tx fee (.00 ether) \(cap)".count + digits, "\(words)")
    }
  }

  @Test(
    "Init code above 49152 bytes is refused from Shanghai on, before the gas is looked at",
    arguments: [Hardfork.london, .paris, .shanghai, .cancun])
  func initCodeSize(hardfork: Hardfork) async throws {
    var configuration = ChainConfiguration()
    configuration.rules.hardfork = hardfork
    let network = TestChain(configuration)
    let tooMuchGas = "exceeds block gas limit"
    for (count, gas) in [(49_152, 30_000_001), (49_153, 30_000_001), (49_153, 21_000)]
      as [(Int, UInt64)]
    {
      let creation = Transaction(
        chainID: configuration.rules.chainID, nonce: 0, fee: .legacy(gasPrice: 2_000_000_000),
        gasLimit: gas, to: nil, data: [UInt8](repeating: 0, count: count)
      ).signed(with: network.account(0).key)
      let failure = try await network.failure(
        "eth_sendRawTransaction", .string(Hex.encode(creation.raw)))
      let words = try #require(failure).message
      if hardfork >= .shanghai, count > 49_152 {
        #expect(words == "max initcode size exceeded: code size 49153, limit 49152")
      } else {
        #expect(words == tooMuchGas || words.hasPrefix("intrinsic gas too low"), "\(words)")
        #expect((words == tooMuchGas) == (gas > 30_000_000))
      }
    }
    // A call may bring as much as it likes.
    let call = network.transaction(
      from: network.account(0), gas: 2_000_000, data: [UInt8](repeating: 0, count: 49_153))
    #expect(
      try await network.failure("eth_sendRawTransaction", .string(Hex.encode(call.raw))) == nil)
  }

  /// A transaction with blobs, with a field replaced or without its last ones.
  private func blobTransaction(
    replacing change: (place: Int, item: RLP.Item)? = nil, dropping count: Int = 0,
    sidecar: [RLP.Item] = []
  ) -> [UInt8] {
    let one = RLP.Item.integer(UInt64(1))
    var fields: [RLP.Item] = [
      .integer(UInt64(41_956)), .integer(UInt64(0)), one, one, .integer(UInt64(21_000)),
      .address(.zero), .integer(UInt64(0)), .bytes([]), .list([]), one, .list([.hash(.zero)]), one,
      one, one,
    ]
    if let change { fields[change.place] = change.item }
    fields.removeLast(count)
    let item = RLP.Item.list(fields)
    return [3] + RLP.encode(sidecar.isEmpty ? item : .list([item] + sidecar))
  }

  @Test(
    "A transaction with blobs is decoded, and refused in the words of the hard fork",
    arguments: [Hardfork.london, .shanghai, .cancun])
  func blobs(hardfork: Hardfork) async throws {
    var configuration = ChainConfiguration()
    configuration.rules.hardfork = hardfork
    let network = TestChain(configuration)
    let words =
      hardfork == .cancun
      ? "transaction type not supported: type 3 rejected, this chain has no blobs"
      : "transaction type not supported: type 3 rejected, pool not yet in Cancun"
    func bytes(_ count: Int) -> RLP.Item { .list([.bytes([UInt8](repeating: 0, count: count))]) }
    let sidecar = [bytes(131_072), bytes(48), bytes(48)]
    for raw in [blobTransaction(), blobTransaction(sidecar: sidecar)] {
      #expect(
        try await network.failure("eth_sendRawTransaction", .string(Hex.encode(raw)))
          == .refused(words))
    }
  }

  @Test("A transaction with blobs that is malformed is refused in RLP's words")
  func malformedBlobs() async throws {
    let list = RLP.Item.list([])
    let cases: [(raw: [UInt8], words: String)] = [
      ([3, 0xc0], "unexpected EOF"),
      (blobTransaction(dropping: 1), "rlp: too few elements for types.BlobTx"),
      (
        blobTransaction(sidecar: [list, list]), "rlp: too few elements for types.blobTxWithBlobs"
      ),
      (
        blobTransaction(sidecar: [list, list, .bytes([])]), "rlp: expected input list for sidecar"
      ),
      (blobTransaction(replacing: (5, .bytes([]))), "rlp: input string too short for to"),
      (blobTransaction(replacing: (8, .bytes([]))), "rlp: expected input list for accessList"),
      (
        blobTransaction(replacing: (10, .list([.bytes([])]))),
        "rlp: input string too short for blobHashes"
      ),
      (blobTransaction(replacing: (9, list)), "rlp: expected input string or byte"),
      (Array(blobTransaction().dropLast()), "rlp: value size exceeds available input length"),
    ]
    for (raw, words) in cases {
      let refusal = try #require(try await refusal(of: raw))
      #expect(refusal.hasPrefix(words), "\(refusal)")
    }
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
