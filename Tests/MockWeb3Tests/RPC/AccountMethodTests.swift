import EthereumClient
import EthereumPrimitives
import MockWeb3
import PlumiseWire
import TestSupport
import Testing

/// Signatures are compared with those that eth-account 0.14.0 made with the key of the first account.
@Suite("Methods of accounts and encoded blocks", .timeLimit(.minutes(5)))
struct AccountMethodTests {
  let network = TestChain()
  private let owner = "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266"

  private func ask(_ method: String, _ parameters: JSON...) async throws -> JSON {
    let request = RPCRequest(id: 1, method: method, params: parameters).json.text
    let answer = try #require(await network.chain.respond(to: Array(request.utf8)))
    let json = try JSON.parse(answer)
    return try #require(json["result"] ?? json["error"])
  }

  @Test("A message is signed as eth-account signs it, and its signer recovered")
  func messages() async throws {
    // "hello é", with Account.sign_message(encode_defunct(…)).
    let message: JSON = "0x68656c6c6f20c3a9"
    let signature: JSON =
      .string(
        "0x6ff976e272552cbf727ba91ba86babad4613c0a9e0afc83e03f2fbb85146812900c734284feef67fff2675"
          + "b3c255f0ebf73e9538a810346ecf275d48c5ccb2fe1c")
    #expect(try await ask("eth_sign", .string(owner), message) == signature)
    #expect(try await ask("personal_sign", message, .string(owner), "any") == signature)
    #expect(try await ask("personal_ecRecover", message, signature) == .string(owner))
    #expect(
      try await ask("eth_sign", "0x0000000000000000000000000000000000000001", message)
        == ["code": -32000, "message": "unknown account"])
    #expect(
      try await ask("personal_ecRecover", message, "0x12")
        == ["code": -32000, "message": "signature must be 65 bytes long"])
  }

  @Test("A transaction is signed as eth-account signs it, and not sent")
  func transactions() async throws {
    let legacy: JSONObject = [
      "from": .string(owner), "to": .string(owner), "nonce": "0x7", "gas": "0x5208",
      "gasPrice": "0x77359400", "value": "0x1",
    ]
    #expect(
      try await ask("eth_signTransaction", .object(legacy))["raw"]
        == .string(
          "0xf86607847735940082520894f39fd6e51aad88f6f4ce6ab8827279cfffb922660180830147eca0c25260"
            + "22512b62c67f63824a308bb4ec0db35bd20d03b70fc9d3179a37486e17a07978c4f24f96eee58bfe47"
            + "c16621b88bb75845c176d15f076469849ead009d91"))
    let feeMarket: JSON = [
      "from": .string(owner), "to": .string(owner), "nonce": "0x7", "gas": "0xc350",
      "maxFeePerGas": "0xb2d05e00", "maxPriorityFeePerGas": "0x3b9aca00", "value": "0x1",
      "data": "0x01",
    ]
    #expect(
      try await ask("eth_signTransaction", feeMarket)["raw"]
        == .string(
          "0x02f86c82a3e407843b9aca0084b2d05e0082c35094f39fd6e51aad88f6f4ce6ab8827279cfffb9226601"
            + "01c080a0424d9ecfac55693f96989273194f7b9517ce6bdd2624b7d2b2906afa14d96199a06e35ff3c"
            + "52f3acbac31da84213cfe4537333182af89afd9f19054971d7d2b2f1"))
    for (missing, words) in [
      ("gas", "gas not specified"), ("nonce", "nonce not specified"),
      ("gasPrice", "missing gasPrice or maxFeePerGas/maxPriorityFeePerGas"),
    ] {
      var partial = legacy
      partial[missing] = nil
      #expect(
        try await ask("eth_signTransaction", .object(partial))
          == ["code": -32000, "message": .string(words)])
    }
    #expect(network.chain.waitingTransactionCount == 0 && network.chain.blockNumber == 0)
  }

  @Test("Headers and transactions are told by number and hash, also encoded")
  func blocks() async throws {
    let signed = network.transaction(
      from: network.account(0), gas: 21_000, to: network.account(1).address, value: 1)
    network.chain.setMining(.manual)
    _ = try await network.client.send(signed)
    let pending = try await ask("eth_pendingTransactions")
    #expect(pending.arrayValue?.map { $0["hash"] } == [.string(signed.hash.hex)])
    let block = network.chain.mine()
    let raw: JSON = .string(Hex.encode(signed.raw))
    let hash: JSON = .string(block.hash.hex)
    #expect(try await ask("eth_getRawTransactionByBlockNumberAndIndex", "0x1", "0x0") == raw)
    #expect(try await ask("eth_getRawTransactionByBlockHashAndIndex", hash, "0x0") == raw)
    #expect(try await ask("eth_getRawTransactionByBlockHashAndIndex", hash, "0x1") == "0x")
    #expect(try await ask("debug_getRawTransaction", .string(signed.hash.hex)) == raw)
    let encoded = try #require(await ask("debug_getRawHeader", "0x1").stringValue)
    #expect(try Keccak256.hash(Hex.decode(encoded)) == block.hash)
    let header = try await ask("eth_getHeaderByNumber", "0x1")
    #expect(header == (try await ask("eth_getHeaderByHash", hash)))
    #expect(header["hash"] == hash && header["totalDifficulty"] != nil)
    #expect(header["transactions"] == nil && header["size"] == nil && header["uncles"] == nil)
    #expect(try await ask("eth_getUncleByBlockHashAndIndex", hash, "0x0") == .null)
    #expect(try await ask("eth_hashrate") == "0x0")
  }
}
