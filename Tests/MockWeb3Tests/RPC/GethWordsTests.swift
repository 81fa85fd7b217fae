import EthereumPrimitives
import MockWeb3
import PlumiseWire
import TestSupport
import Testing

/// The errors of go-ethereum 1.13.15, each with its number and its words (`eth/filters/api.go`,
/// `eth/api_backend.go`, `internal/ethapi/transaction_args.go`).
@Suite("Words of go-ethereum", .timeLimit(.minutes(5))) struct GethWordsTests {
  let network = TestChain()

  private func error(_ method: String, _ parameters: [JSON]) async throws -> JSON? {
    let request = RPCRequest(id: 1, method: method, params: parameters).json.text
    return try await network.chain.respond(to: Array(request.utf8)).map {
      try JSON.parse($0)["error"] ?? .null
    }
  }

  private static let address = "0x" + String(repeating: "11", count: 20)
  private static let topic = "0x" + String(repeating: "22", count: 32)

  @Test(
    "A filter is refused in geth's words",
    arguments: [
      (["address": 5], "invalid addresses in query"),
      (["address": ["a": 1]], "invalid addresses in query"),
      (
        ["address": "0x1234"],
        "invalid address: hex has invalid length 2 after decoding; expected 20 for address"
      ),
      (["address": "1234"], "invalid address: hex string without 0x prefix"),
      (["address": ""], "invalid address: empty hex string"),
      (["address": ["0x123"]], "invalid address at index 0: hex string of odd length"),
      (["address": [.string(address), 5]], "non-string address at index 1"),
      (["address": [.string(address), .null]], "non-string address at index 1"),
      (["topics": [.null, .null, .null, .null, .null]], "exceed max topics"),
      (["topics": [5]], "invalid topic(s)"), (["topics": [[5]]], "invalid topic(s)"),
      (
        ["topics": [[.string(topic), "0x12"]]],
        "hex has invalid length 1 after decoding; expected 32 for topic"
      ),
      (["topics": ["0xzz"]], "invalid hex string"),
      (["fromBlock": 0], "hex string without 0x prefix"),
      (["fromBlock": "0x8000000000000000"], "block number larger than int64"),
    ] as [(JSON, String)])
  func filters(filter: JSON, words: String) async throws {
    for method in ["eth_getLogs", "eth_newFilter"] {
      #expect(
        try await error(method, [filter])
          == ["code": -32602, "message": .string("invalid argument 0: \(words)")])
    }
  }

  @Test(
    "A raw transaction that cannot be decoded is refused in geth's words",
    arguments: [
      ("0x02", "typed transaction too short"), ("0x03", "typed transaction too short"),
      ("0x02c0", "rlp: too few elements for types.DynamicFeeTx"),
      ("0x01c0", "rlp: too few elements for types.AccessListTx"),
      ("0xc0", "rlp: too few elements for types.LegacyTx"),
      ("0x80", "rlp: expected input list for types.LegacyTx"),
      ("0x04c0", "transaction type not supported"),
      ("0x03c0", "unexpected EOF"),
    ])
  func rawTransactions(raw: String, words: String) async throws {
    #expect(
      try await error("eth_sendRawTransaction", [.string(raw)])
        == ["code": -32000, "message": .string(words)])
  }

  @Test("A block that is neither number nor hash is refused when the chain is asked for it")
  func emptyReference() async throws {
    #expect(
      try await error("eth_getBalance", [.string(Self.address), [:]])
        == ["code": -32000, "message": "invalid arguments; neither block nor hash specified"])
  }

  @Test(
    "A transaction whose fees cannot be is refused in geth's words",
    arguments: [
      (["gasPrice": "0x0"], "gasPrice must be non-zero after london fork"),
      (
        ["maxFeePerGas": "0x0", "maxPriorityFeePerGas": "0x0"], "maxFeePerGas must be non-zero"
      ),
      (
        ["maxFeePerGas": "0x1", "maxPriorityFeePerGas": "0x2"],
        "maxFeePerGas (0x1) < maxPriorityFeePerGas (0x2)"
      ),
      (
        ["maxFeePerGas": "0x1"], "maxFeePerGas (0x1) < maxPriorityFeePerGas (0x3b9aca00)"
      ),
      (["to": .null], "contract creation without any data provided"),
    ] as [(JSONObject, String)])
  func fees(members: JSONObject, words: String) async throws {
    var transaction = members
    transaction["from"] = .string(network.account(0).address.lowercaseHex)
    if transaction["to"] == nil { transaction["to"] = .string(Self.address) }
    #expect(
      try await error("eth_sendTransaction", [.object(transaction)])
        == ["code": -32000, "message": .string(words)])
    #expect(network.chain.blockNumber == 0)
  }

  @Test("Ending a subscription over HTTP finds none")
  func unsubscribing() async throws {
    #expect(
      try await error("eth_unsubscribe", ["0x1"])
        == ["code": -32000, "message": "subscription not found"])
  }
}
