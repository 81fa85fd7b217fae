import EthereumClient
import EthereumPrimitives
import Foundation
import HTTPTypes
import MockServing
import MockWeb3
import PlumiseWire
import TestSupport
import Testing

/// What a request sends, and the error that go-ethereum 1.13.15 answers it with.
private struct Refusal: Sendable {
  let method: String
  let parameters: [JSON]
  let failure: RPCFailure

  init(_ method: String, _ parameters: JSON..., position: Int, _ reason: String) {
    self.method = method
    self.parameters = parameters
    failure = .invalidArgument(position, reason)
  }
}

private let zero: JSON = "0x0000000000000000000000000000000000000000"

@Suite("Numbers and prefixes as go-ethereum reads them", .timeLimit(.minutes(5)))
struct GethNumberTests {
  private static let refusals: [Refusal] = [
    Refusal("eth_getBlockByNumber", 5, true, position: 0, "hex string without 0x prefix"),
    Refusal("eth_getBlockByNumber", "", true, position: 0, "empty hex string"),
    Refusal("eth_getBlockByNumber", "0x", true, position: 0, "hex string \"0x\""),
    Refusal(
      "eth_getBlockByNumber", "0X01", true, position: 0, "hex number with leading zero digits"),
    Refusal("eth_getBlockByNumber", "0x-1", true, position: 0, "invalid hex string"),
    Refusal(
      "eth_getBlockByNumber", "0x8000000000000000", true, position: 0,
      "block number larger than int64"),
    Refusal(
      "eth_getBlockByNumber", "0x10000000000000000", true, position: 0, "hex number > 64 bits"),
    Refusal("eth_getBalance", zero, "0x8000000000000000", position: 1, "blocknumber too high"),
    Refusal("eth_getBalance", zero, "0x10000000000000000", position: 1, "hex number > 64 bits"),
    Refusal(
      "eth_getBalance", zero, 5, position: 1,
      "json: cannot unmarshal number into Go value of type string"),
    Refusal(
      "eth_getBalance", zero, ["blockNumber": "0x01"], position: 1,
      "json: cannot unmarshal object into Go value of type string"),
    Refusal(
      "eth_getBalance", zero, .string(String(repeating: "z", count: 66)), position: 1,
      "hex string without 0x prefix"),
    Refusal(
      "eth_getTransactionByBlockNumberAndIndex", "0x0", "0x10000000000000000", position: 1,
      "json: cannot unmarshal hex number > 64 bits into Go value of type hexutil.Uint"),
    Refusal(
      "eth_call", ["to": zero, "gas": "0x10000000000000000"], position: 0,
      "json: cannot unmarshal hex number > 64 bits into Go struct field TransactionArgs.gas of type "
        + "hexutil.Uint64"),
    Refusal(
      "eth_call",
      ["to": zero, "gas": .string("0x1" + String(repeating: "0", count: 64))], position: 0,
      "json: cannot unmarshal hex number > 64 bits into Go struct field TransactionArgs.gas of type "
        + "hexutil.Uint64"),
    Refusal(
      "eth_call",
      ["to": zero, "value": .string("0x1" + String(repeating: "0", count: 64))], position: 0,
      "json: cannot unmarshal hex number > 256 bits into Go struct field TransactionArgs.value of "
        + "type *hexutil.Big"),
    Refusal(
      "eth_feeHistory", -1, "latest", position: 0, "invalid hex or decimal integer \"-1\""),
    Refusal(
      "eth_feeHistory", "0x10000000000000000", "latest", position: 0,
      "invalid hex or decimal integer \"0x10000000000000000\""),
    Refusal(
      "eth_getBalance", "0xzz", "latest", position: 0,
      "hex string has length 2, want 40 for common.Address"),
  ]

  @Test("A number out of its range is refused in geth's words", arguments: refusals.indices)
  func refused(index: Int) async throws {
    let refusal = Self.refusals[index]
    let chain = TestChain().chain
    let request = RPCRequest(id: 1, method: refusal.method, params: refusal.parameters)
    let answer = try JSON.parse(
      try #require(await chain.respond(to: request.json.serialized())))
    #expect(answer["error"] == refusal.failure.json)
  }

  @Test(
    "0X is a prefix wherever geth reads hexadecimal text",
    arguments: [
      ("eth_getBalance", ["ADDRESS", "0X0"]), ("eth_getBlockByNumber", ["0X0", true]),
      ("eth_getBlockByHash", ["HASH", true]), ("eth_getTransactionByHash", ["HASH"]),
      ("eth_getBalance", ["ADDRESS", "HASH"]), ("web3_sha3", ["0XAB"]),
      ("eth_getLogs", [["fromBlock": "0X0", "address": "ADDRESS", "topics": ["HASH"]]]),
      ("eth_call", [["to": "ADDRESS", "value": "0X0", "gas": "0XF4240", "data": "0X"]]),
      ("eth_feeHistory", ["0X1", "latest"]), ("anvil_setBalance", ["ADDRESS", "0X5"]),
      ("evm_increaseTime", ["0X5"]), ("eth_getStorageAt", ["ADDRESS", "0X0", "0X0"]),
    ] as [(String, [JSON])])
  func capitalPrefix(method: String, parameters: [JSON]) async throws {
    let network = TestChain()
    let hash = "0X" + network.chain.latestBlock.hash.hex.dropFirst(2)
    let address = "0X" + network.account(0).address.lowercaseHex.dropFirst(2)
    let text = JSON.array(parameters).text
      .replacing("ADDRESS", with: address).replacing("HASH", with: hash)
    let filled = try #require(try JSON.parse(Array(text.utf8)).arrayValue)
    _ = try await network.client.request(method, filled)
  }

  @Test("A raw transaction behind 0X is sent")
  func rawTransaction() async throws {
    let network = TestChain()
    let sent = network.transaction(from: network.account(0), to: .zero)
    let raw = "0X" + Hex.encode(sent.raw).dropFirst(2).uppercased()
    #expect(
      try await network.client.request("eth_sendRawTransaction", [.string(raw)])
        == .string(sent.hash.hex))
  }

  @Test("Elsewhere 0X is no prefix, as for ethers")
  func lowercaseOnly() {
    #expect(throws: HexError.missingPrefix) { try Hex.decode("0Xab") }
    #expect(throws: QuantityError.missingPrefix) { try Quantity.decode("0X1") }
    #expect(throws: AddressError.self) { try Address("0X" + String(repeating: "0", count: 40)) }
    #expect((try? Hex.decode("0Xab", prefix: .anyCase)) == [0xab])
    #expect((try? Quantity.decode("0X1f", prefix: .anyCase)) == 31)
  }

  @Test("Text that is empty is zero, as in geth")
  func emptyNumber() async throws {
    let network = TestChain()
    #expect(
      try await network.client.request("eth_call", [["to": zero, "value": ""], "latest"]) == "0x")
  }

  @Test("A filter's id is compared as text, letter by letter")
  func filterIDs() async throws {
    let network = TestChain()
    #expect(try await network.client.request("eth_newBlockFilter") == "0x1")
    for other in ["0X1", "0x01", "1", "0x"] {
      #expect(
        try await network.failure("eth_getFilterChanges", .string(other))
          == .refused("filter not found"))
    }
    #expect(try await network.client.request("eth_getFilterChanges", ["0x1"]) == [])
  }
}

@Suite("Content types as go-ethereum takes them", .timeLimit(.minutes(5)))
struct ContentTypeTests {
  private let chain = TestChain().chain
  private let body = Array(#"{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}"#.utf8)

  private func status(
    _ type: String?, _ method: HTTPRequest.Method = .post, body: [UInt8]? = nil
  ) async -> Int {
    var headers = HTTPFields()
    if let type { headers[.contentType] = type }
    let request = WebRequest(method, "/", headers: headers, body: body ?? self.body)
    return await chain.respond(to: request).status.code
  }

  @Test(
    "JSON and its two older names are taken, in any case and with parameters",
    arguments: [
      "application/json", "application/json-rpc", "application/jsonrequest", "Application/JSON",
      "APPLICATION/JSON-RPC", "application/json; charset=utf-8", "application/json;charset=UTF-8",
      " application/json ; charset=\"utf-8\" ; x=1", "application/json;",
      "application/jsonrequest;q=\"a\\\"b\"",
    ])
  func taken(type: String) async {
    #expect(await status(type) == 200)
  }

  @Test(
    "Any other type is refused with 415, and so is a request without one",
    arguments: [
      nil, "", "text/plain", "application/json2", "application/jsonp", "json", "application",
      "application/json charset=utf-8", "application/json; charset", "application/json; =utf-8",
      "application/json; charset=utf-8; charset=utf-8", "application/json, text/plain",
      "application/json; charset=\"utf-8", "application/json; ;",
      "application/x-www-form-urlencoded",
    ])
  func refused(type: String?) async {
    #expect(await status(type) == 415)
  }

  @Test("Methods are those of geth's server")
  func methods() async {
    #expect(await status(nil, .get, body: []) == 200)
    #expect(await status(nil, .head, body: []) == 200)
    #expect(await status(nil, .options) == 204)
    #expect(await status("application/json", .put) == 405)
    #expect(await status("application/json", .delete) == 405)
    #expect(await status("application/json", .get) == 200)
    #expect(await status(nil, .get) == 415)
  }
}
