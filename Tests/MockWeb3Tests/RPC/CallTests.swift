import EthereumClient
import EthereumPrimitives
import MockWeb3
import PlumiseWire
import TestSupport
import Testing

@Suite("Calls that leave no trace", .timeLimit(.minutes(5)))
struct CallTests {
  let network = TestChain()
  var sender: DevelopmentAccount { network.account(0) }
  private let nobody: JSON = "0x00000000000000000000000000000000000000aa"
  private let claim: JSON = "0x0000000000000000000000000000000000000023"
  private let list: JSON = [
    [
      "address": "0x0000000000000000000000000000000000000022",
      "storageKeys": [.string(Hash32.zero.hex), .string(Hash32.zero.hex)],
    ]
  ]

  private func ask(_ method: String, _ parameters: JSON...) async throws -> JSON {
    try await network.client.request(method, parameters)
  }

  /// A call of 0x23 with more fields.
  private func call(_ fields: (String, JSON)...) -> JSON {
    .object(
      JSONObject(
        uniqueMembers: [
          ("from", .string(sender.address.lowercaseHex)), ("to", claim),
        ] + fields))
  }

  private func checksummed(_ address: JSON) throws -> String {
    try Address(try #require(address.stringValue)).checksummed
  }

  @Test("Gas estimates are what transactions use; gas too little for any is as none")
  func estimates() async throws {
    #expect(try await ask("eth_estimateGas", call(("data", "0x"))) == "0x5208")
    #expect(try await ask("eth_estimateGas", call(("gas", "0x10"))) == "0x5208")
    let long: JSON = ["to": nobody, "gas": "0x5208", "data": "0x01"]
    #expect(
      try await network.failure("eth_estimateGas", long)
        == .refused("gas required exceeds allowance (21000)"))
  }

  @Test("Estimates know what the sender can pay, in geth's words")
  func poorEstimates() async throws {
    let name = try checksummed(nobody)
    let free: JSON = ["from": nobody, "to": claim, "value": "0x1"]
    #expect(
      try await network.failure("eth_estimateGas", free)
        == .refused(
          "failed with 30000000 gas: insufficient funds for gas * price + value: "
            + "address \(name) have 0 want 1"))
    let paid: JSON = ["from": nobody, "to": claim, "value": "0x1", "gasPrice": "0x77359400"]
    #expect(
      try await network.failure("eth_estimateGas", paid)
        == .refused("insufficient funds for transfer"))
    let fee: JSON = ["from": nobody, "to": claim, "gasPrice": "0x77359400"]
    #expect(
      try await network.failure("eth_estimateGas", fee)
        == .refused("insufficient funds for transfer"))
  }

  @Test("Fees of a call fit each other, the base fee and the balance, or there are none")
  func fees() async throws {
    let name = sender.address.checksummed
    let baseFee = network.chain.latestBlock.header.baseFeePerGas
    let cases: [(JSON, String)] = [
      (
        call(("gas", "0x5208"), ("maxFeePerGas", "0x5"), ("maxPriorityFeePerGas", "0x6")),
        "max priority fee per gas higher than max fee per gas: address \(name), "
          + "maxPriorityFeePerGas: 6, maxFeePerGas: 5"
      ),
      (
        call(("gas", "0x5208"), ("gasPrice", "0x5")),
        "max fee per gas less than block base fee: address \(name), maxFeePerGas: 5, "
          + "baseFee: \(baseFee)"
      ),
      (call(("gas", "0x10")), "intrinsic gas too low: have 16, want 21000"),
    ]
    for (call, words) in cases {
      let gas = call["gas"] == "0x10" ? 16 : 21_000
      #expect(
        try await network.failure("eth_call", call, "latest")
          == .refused("err: \(words) (supplied gas \(gas))"))
    }
    #expect(try await ask("eth_call", call(("gasPrice", "0x77359400")), "latest") == "0x")
    #expect(try await ask("eth_call", call(), "latest") == "0x")
  }

  @Test("An access list costs its gas")
  func accessList() async throws {
    // The call uses 21 000 + 2400 + 2 * 1900 = 27 200; go-ethereum's search ends at 1.3 % more.
    #expect(
      try await ask("eth_estimateGas", call(("accessList", list)))
        == .string(Quantity.encode(27_545 as UInt64)))
    #expect(
      try await network.failure(
        "eth_call", call(("accessList", list), ("gas", "0x5208")), "latest")
        == .refused(
          "err: intrinsic gas too low: have 21000, want 27200 (supplied gas 21000)"))
    #expect(
      try await network.failure("eth_call", call(("accessList", [["address": claim]])), "latest")?
        .message == "invalid argument 0: missing required field 'storageKeys' for AccessTuple")
  }

  @Test("An access list stays in the transaction", arguments: [true, false])
  func sentAccessList(isLegacy: Bool) async throws {
    let price: [(String, JSON)] = isLegacy ? [("gasPrice", "0x77359400")] : []
    let fields: [(String, JSON)] = [
      ("from", .string(sender.address.lowercaseHex)), ("to", claim), ("accessList", list),
    ]
    let hash = try await ask(
      "eth_sendTransaction", .object(JSONObject(uniqueMembers: fields + price)))
    let sent = try await ask("eth_getTransactionByHash", hash)
    #expect(sent["type"] == (isLegacy ? "0x1" : "0x2"))
    #expect(sent["accessList"] == list)
    #expect(sent["gas"] == .string(Quantity.encode(27_545 as UInt64)))
    #expect(try await ask("eth_getTransactionReceipt", hash)["status"] == "0x1")
  }

  @Test("A transaction with two different inputs, or for another chain, is refused")
  func ambiguous() async throws {
    #expect(
      try await network.failure(
        "eth_sendTransaction", call(("data", "0x01"), ("input", "0x02")))
        == .refused(
          #"both "data" and "input" are set and not equal. "#
            + #"Please use "input" to pass transaction call data"#))
    #expect(
      try await network.failure("eth_sendTransaction", call(("chainId", "0x1")))
        == .refused("chainId does not match node's (have=1, want=41956)"))
    #expect(network.chain.blockNumber == 0)
  }
}
