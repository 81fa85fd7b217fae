import EVM
import EthereumClient
import EthereumPrimitives
import MockWeb3
import PlumiseWire
import TestSupport
import Testing

/// Answers of go-ethereum 1.13.15, taken from its source (named at each).
@Suite("Answers as go-ethereum gives them", .timeLimit(.minutes(5)))
struct GethAnswerTests {
  let network = TestChain()
  private let stranger: JSON = "0x00000000000000000000000000000000000000ab"
  private let contract: JSON = "0x00000000000000000000000000000000000000cc"

  private func ask(_ method: String, _ parameters: JSON...) async throws -> JSON {
    try await network.client.request(method, parameters)
  }

  /// The failure that a request is answered with, also where it is a revert; nil for a result.
  private func refusal(_ method: String, _ parameters: JSON...) async throws -> RPCFailure? {
    do {
      _ = try await network.client.request(method, parameters)
      return nil
    } catch let error as ChainError {
      return error.failure
    }
  }

  private func own(_ index: Int = 0) -> JSON {
    .string(network.account(index).address.lowercaseHex)
  }

  /// Puts code at an address of its own.
  private func install(_ code: JSON) async throws {
    _ = try await ask("anvil_setCode", contract, code)
  }

  @Test(
    "A revert without data is refused like anything else (internal/ethapi, Call and DoEstimateGas)",
    arguments: ["eth_call", "eth_estimateGas", "eth_sendTransaction", "eth_fillTransaction"])
  func bareRevert(method: String) async throws {
    try await install("0x60006000fd")
    let call: JSON = ["from": own(), "to": contract]
    #expect(try await refusal(method, call) == .refused("execution reverted"))
    let error = await #expect(throws: ChainError.self) { try await ask(method, call) }
    #expect(error?.code == .reverted)
  }

  @Test("The message of a panic has its meaning (abi.UnpackRevert)")
  func panic() async throws {
    // MSTORE of the selector of Panic(uint256) and of 0x11, REVERT of 36 bytes.
    try await install("0x634e487b7160e01b600052601160045260246000fd")
    let failure = try #require(try await refusal("eth_call", ["to": contract]))
    #expect(failure.code == 3)
    #expect(failure.message == "execution reverted: arithmetic underflow or overflow")
    #expect(
      failure.data?.stringValue
        == "0x4e487b71" + String(repeating: "0", count: 62) + "11")
  }

  @Test("A pending block's transactions have their places and their price")
  func pendingBlock() async throws {
    network.chain.setMining(.manual)
    _ = try await ask(
      "eth_sendTransaction",
      [
        "from": own(), "to": stranger, "value": "0x1", "maxFeePerGas": "0x4a817c800",
        "maxPriorityFeePerGas": "0x3b9aca00",
      ])
    let block = try await ask("eth_getBlockByNumber", "pending", true)
    #expect(block["totalDifficulty"] == .null && block["hash"] == .null)
    let sent = try #require(block["transactions"]?.arrayValue?.first)
    #expect(sent["blockNumber"] == block["number"] && sent["transactionIndex"] == "0x0")
    #expect(sent["blockHash"]?.stringValue?.count == 66)
    let baseFee = try Quantity.decode(try #require(block["baseFeePerGas"]?.stringValue))
    #expect(sent["gasPrice"]?.stringValue == Quantity.encode(baseFee + 1_000_000_000))
    let alone = try await ask("eth_getTransactionByBlockNumberAndIndex", "pending", "0x0")
    #expect(alone["blockHash"] == sent["blockHash"])
  }

  @Test("The states of the latest 128 blocks and of the genesis can be asked for, no others")
  func oldStates() async throws {
    network.chain.mine(230)
    for block in ["earliest", "0x0", "0x67"] as [JSON] {
      #expect(try await ask("eth_getBalance", own(), block) != "0x0")
    }
    let failure = try #require(try await network.failure("eth_getBalance", own(), "0x66"))
    #expect(failure.message.hasPrefix("missing trie node "))
    #expect(failure.message.hasSuffix(" is not available, not found"))
    network.chain.mine(200)
    #expect(try await ask("eth_getBalance", own(), "earliest") != "0x0")
  }

  @Test("What is not there is no bytes, or an error that names it")
  func absentBytes() async throws {
    let hash = JSON.string("0x" + String(repeating: "ab", count: 32))
    let bytes = [String](repeating: "171", count: 32).joined(separator: " ")
    #expect(try await ask("eth_getRawTransactionByHash", hash) == "0x")
    #expect(try await ask("eth_getRawTransactionByBlockNumberAndIndex", "0x0", "0x5") == "0x")
    #expect(try await ask("eth_getRawTransactionByBlockHashAndIndex", hash, "0x0") == "0x")
    #expect(try await ask("debug_getRawReceipts", hash) == [])
    #expect(
      try await network.failure("debug_getRawHeader", hash)
        == .refused("header #[\(bytes)] not found"))
    #expect(
      try await network.failure("debug_getRawBlock", hash)
        == .refused("block #[\(bytes)] not found"))
    #expect(try await ask("eth_getBlockReceipts", [:]) == .null)
  }

  @Test(
    "Fees above 1 ether in all are refused, however they come (checkTxFee)",
    arguments: ["eth_sendTransaction", "eth_signTransaction"])
  func feeCap(method: String) async throws {
    let request: JSON = [
      "from": own(), "to": stranger, "gas": "0x5208", "gasPrice": "0x38d7ea4c68000", "nonce": "0x0",
    ]
    #expect(
      try await network.failure(method, request)
        == .refused("tx fee (21.00 ether) exceeds the configured cap (1.00 ether)"))
  }

  @Test("A signed transaction is shown as it is encoded, and its fees come before its signer")
  func signTransaction() async throws {
    let signed = try await ask(
      "eth_signTransaction",
      [
        "from": own(), "to": stranger, "gas": "0x5208", "nonce": "0x0",
        "maxFeePerGas": "0x77359400", "maxPriorityFeePerGas": "0x1",
      ])
    let transaction = try #require(signed["tx"])
    #expect(transaction["gasPrice"] == .null && transaction["from"] == nil)
    #expect(transaction["r"]?.stringValue != "0x0")
    let raw = try Hex.decode(try #require(signed["raw"]?.stringValue))
    #expect(transaction["hash"]?.stringValue == Keccak256.hash(raw).hex)
    #expect(
      try await network.failure(
        "eth_signTransaction",
        ["from": stranger, "to": stranger, "gas": "0x5208", "nonce": "0x0", "gasPrice": "0x0"])
        == .refused("gasPrice must be non-zero after london fork"))
    #expect(
      try await network.failure(
        "eth_sendTransaction", ["from": own(), "to": stranger, "blobVersionedHashes": []])
        == .refused("signing blob transactions not supported"))
  }

  @Test("A base fee that a call names counts for its price, and is 0 for code that pays nothing")
  func baseFeeOverride() async throws {
    // Returns BASEFEE and GASPRICE.
    try await install("0x486000523a60205260406000f3")
    let overrides: JSON = ["baseFee": "0x77"]
    func words(_ more: JSONObject) async throws -> [Word] {
      let call = JSONObject(
        uniqueMembers: [("from", own()), ("to", contract), ("gas", "0x186a0")]
          + more.members.map { ($0.key, $0.value) })
      let answer = try await ask("eth_call", .object(call), "latest", [:], overrides)
      let bytes = try Hex.decode(try #require(answer.stringValue))
      return try [Word(bigEndian: bytes[..<32]), Word(bigEndian: bytes[32...])]
    }
    #expect(try await words([:]) == [0, 0])
    #expect(try await words(["gasPrice": "0x78"]) == [0x77, 0x78])
    #expect(
      try await words(["maxFeePerGas": "0xb2d05e00", "maxPriorityFeePerGas": "0x1"])
        == [0x77, 0x78])
  }

  @Test("Init code that is too long is refused from Shanghai on (core/state_transition.go)")
  func longInitCode() async throws {
    var configuration = ChainConfiguration()
    configuration.rules.hardfork = .shanghai
    let network = TestChain(configuration)
    let code = JSON.string("0x" + String(repeating: "00", count: 49_153))
    let call: JSON = ["from": .string(network.account(0).address.lowercaseHex), "data": code]
    let words = "max initcode size exceeded: code size 49153 limit 49152"
    #expect(
      try await network.failure("eth_call", call)
        == .refused("err: \(words) (supplied gas 50000000)"))
    #expect(
      try await network.failure("eth_estimateGas", call)
        == .refused("failed with 30000000 gas: \(words)"))
  }

  @Test("A list of accesses keeps what it was given, and is asked what a transaction is")
  func accessList() async throws {
    // SLOAD of slot 5.
    try await install("0x60055400")
    let given: JSON = [["address": stranger, "storageKeys": [.string(Hash32.zero.hex)]]]
    let call: JSON = ["from": own(), "to": contract, "accessList": given]
    let list = try #require(try await ask("eth_createAccessList", call)["accessList"]?.arrayValue)
    #expect(list.map { $0["address"] } == [stranger, contract])
    let five = Hash32(word: 5)
    #expect(list.last?["storageKeys"] == [.string(five.hex)])
    #expect(
      try await network.failure("eth_createAccessList", ["from": own()])
        == .refused("contract creation without any data provided"))
    #expect(
      try await network.failure(
        "eth_createAccessList", ["from": own(), "to": contract, "gasPrice": "0x0"])
        == .refused("gasPrice must be non-zero after london fork"))
    let poor = try #require(try await network.failure("eth_createAccessList", ["to": contract]))
    #expect(poor.message.hasPrefix("failed to apply transaction: 0x"))
    #expect(poor.message.contains(" err: insufficient funds for gas * price + value: "))
  }

  @Test("A proof of an account that does not exist has hashes of zeros")
  func absentProof() async throws {
    let keys = JSON.array([JSON](repeating: "0x0", count: 1025))
    let proof = try await ask("eth_getProof", stranger, keys, "latest")
    #expect(proof["codeHash"] == .string(Hash32.zero.hex))
    #expect(proof["storageHash"] == .string(Hash32.zero.hex))
    #expect(proof["storageProof"]?.arrayValue?.count == 1025)
    #expect(
      try await network.failure("eth_getProof", stranger, ["zz"], "latest")
        == .refused("hex string invalid"))
  }

  @Test("Answers of a batch that are too long together end it (node/defaults.go)")
  func longBatch() async throws {
    try await install(.string("0x" + String(repeating: "ff", count: 4 << 20)))
    let requests = (0..<8).map { id -> JSON in
      [
        "jsonrpc": "2.0", "id": .integer(Int64(id)), "method": "eth_getCode",
        "params": [contract, "latest"],
      ]
    }
    let body = JSON.array(requests).serialized()
    let answers = try JSON.parse(try #require(await network.chain.respond(to: body)))
    let codes = try #require(answers.arrayValue).map { $0["error"]?["code"]?.integerValue }
    #expect(codes == [nil, nil, nil] + [Int64?](repeating: -32003, count: 5))
  }
}
