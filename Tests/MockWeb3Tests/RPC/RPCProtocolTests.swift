import EthereumClient
import EthereumPrimitives
import HTTPTypes
import MockServing
import MockWeb3
import PlumiseWire
import TestSupport
import Testing

@Suite("JSON-RPC protocol", .timeLimit(.minutes(5)))
struct RPCProtocolTests {
  let network = TestChain()

  private func answer(_ text: String) async throws -> JSON? {
    try await network.chain.respond(to: Array(text.utf8)).map { try JSON.parse($0) }
  }

  @Test("An id comes back with its type", arguments: ["1", "\"1\"", "1.5", "null", "\"\"", "-7"])
  func ids(id: String) async throws {
    let answer = try await answer(#"{"jsonrpc":"2.0","id":\#(id),"method":"eth_chainId"}"#)
    #expect(answer?["id"]?.text == id)
    #expect(answer?["result"] == "0xa3e4")
  }

  @Test("A notification gets no answer, and a batch of them none either")
  func notifications() async throws {
    let request = #"{"jsonrpc":"2.0","method":"eth_chainId"}"#
    #expect(try await answer(request) == nil)
    #expect(try await answer("[\(request),\(request)]") == nil)
  }

  @Test("A batch is answered in order, each request by itself")
  func batch() async throws {
    let answer = try await answer(
      #"[{"jsonrpc":"2.0","id":2,"method":"eth_blockNumber"},"#
        + #"{"jsonrpc":"2.0","method":"eth_chainId"},3,"#
        + #"{"jsonrpc":"2.0","id":"x","method":"nonsense"}]"#)
    let answers = try #require(answer?.arrayValue)
    #expect(answers.map { $0["id"] } == [2, .null, "x"])
    #expect(answers[0]["result"] == "0x0")
    #expect(answers[1]["error"]?["code"] == -32600)
    #expect(
      answers[2]["error"]
        == ["code": -32601, "message": "the method nonsense does not exist/is not available"])
  }

  @Test("A batch that is too large is refused as a batch, by its first call's id")
  func largeBatch() async throws {
    let notification = #"{"jsonrpc":"2.0","method":"eth_chainId"}"#
    let call = #"{"jsonrpc":"2.0","id":"first","method":"eth_chainId"}"#
    let calls = [notification] + Array(repeating: call, count: 1000)
    let answer = try await answer("[\(calls.joined(separator: ","))]")
    #expect(
      answer == [
        [
          "jsonrpc": "2.0", "id": "first",
          "error": ["code": -32600, "message": "batch too large"],
        ]
      ])
    #expect(network.chain.journal.count == 0)
  }

  @Test(
    "What is no request is refused with the number for it",
    arguments: [
      ("{", -32700, "parse error"), ("", -32700, "parse error"), ("[]", -32600, "empty batch"),
      ("7", -32600, "invalid request"), ("{}", -32600, "invalid request"),
      (#"{"id":1,"method":"eth_chainId"}"#, -32600, "invalid request"),
      (#"{"jsonrpc":"1.0","id":1,"method":"eth_chainId"}"#, -32600, "invalid request"),
      (#"{"jsonrpc":"2.0","id":{},"method":"eth_chainId"}"#, -32600, "invalid request"),
      (#"{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":{}}"#, -32602, "non-array args"),
      (
        #"{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":[1]}"#, -32602,
        "too many arguments, want at most 0"
      ),
      (
        #"{"jsonrpc":"2.0","id":1,"method":"eth_subscribe","params":["newHeads"]}"#, -32601,
        "notifications not supported"
      ),
    ] as [(String, Int, String)])
  func refusals(body: String, code: Int, message: String) async throws {
    let error = try #require(try await answer(body)?["error"])
    #expect(error == ["code": .integer(code), "message": .string(message)])
  }

  @Test(
    "Arguments that are missing or wrong are refused in geth's words",
    arguments: [
      (
        "eth_getBalance", #"["0x0000000000000000000000000000000000000021"]"#,
        "missing value for required argument 1"
      ),
      ("eth_getBalance", "[]", "missing value for required argument 0"),
      (
        "eth_getBalance", #"["21","latest"]"#,
        "invalid argument 0: json: cannot unmarshal hex string without 0x prefix into Go value of "
          + "type common.Address"
      ),
      (
        "eth_getBalance", #"["0x21","latest"]"#,
        "invalid argument 0: hex string has length 2, want 40 for common.Address"
      ),
      (
        "eth_getBalance", #"[5,"latest"]"#,
        "invalid argument 0: json: cannot unmarshal non-string into Go value of type common.Address"
      ),
      (
        "eth_getBalance", #"["0x0000000000000000000000000000000000000021","newest"]"#,
        "invalid argument 1: hex string without 0x prefix"
      ),
      (
        "eth_getBalance", #"["0x0000000000000000000000000000000000000021","0x01"]"#,
        "invalid argument 1: hex number with leading zero digits"
      ),
      ("eth_getBlockByNumber", #"["0x1"]"#, "missing value for required argument 1"),
      (
        "eth_getBlockByNumber", #"["0x1","yes"]"#,
        "invalid argument 1: json: cannot unmarshal string into Go value of type bool"
      ),
      (
        "eth_getTransactionByHash", #"["0x1"]"#,
        "invalid argument 0: json: cannot unmarshal hex string of odd length into Go value of type "
          + "common.Hash"
      ),
      (
        "eth_sendRawTransaction", #"["0xzz"]"#,
        "invalid argument 0: json: cannot unmarshal invalid hex string into Go value of type "
          + "hexutil.Bytes"
      ),
      (
        "eth_call", #"[{"to":"0x21"},"latest"]"#,
        "invalid argument 0: hex string has length 2, want 40 for common.Address"
      ),
      (
        "eth_call", #"[{"data":"0x2"},"latest"]"#,
        "invalid argument 0: json: cannot unmarshal hex string of odd length into Go struct field "
          + "TransactionArgs.data of type hexutil.Bytes"
      ),
      (
        "agent_isAgentAccount", #"["0x0000000000000000000000000000000000000021"]"#,
        "missing value for required argument 1"
      ),
      (
        "agent_getAgentMeta", #"["0x0000000000000000000000000000000000000021"]"#,
        "missing value for required argument 1"
      ),
    ] as [(String, String, String)])
  func arguments(method: String, parameters: String, message: String) async throws {
    let answer = try await answer(
      #"{"jsonrpc":"2.0","id":1,"method":"\#(method)","params":\#(parameters)}"#)
    #expect(answer?["error"] == ["code": -32602, "message": .string(message)])
  }

  @Test("Over HTTP it is a POST of JSON from any origin")
  func http() async throws {
    let chain = network.chain
    let body = Array(#"{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}"#.utf8)
    let json: HTTPFields = [.contentType: "application/json; charset=utf-8"]
    let answer = await chain.respond(to: WebRequest(.post, "/", headers: json, body: body))
    #expect(answer.status == .ok)
    #expect(answer.headers[.accessControlAllowOrigin] == "*")
    let preflight = await chain.respond(to: WebRequest(.options, "/"))
    #expect(preflight.status == .noContent)
    #expect(preflight.headers[.accessControlAllowHeaders] == "*")
    let text: HTTPFields = [.contentType: "text/plain"]
    let refused = await chain.respond(to: WebRequest(.post, "/", headers: text, body: body))
    #expect(refused.status == .unsupportedMediaType)
    #expect(await chain.respond(to: WebRequest(.put, "/")).status == .methodNotAllowed)
  }

  @Test("Every request is in the journal with its outcome")
  func journal() async throws {
    _ = try await network.client.chainID()
    _ = try await network.failure("nonsense")
    let entries = network.chain.journal.entries
    #expect(entries.map(\.method) == ["eth_chainId", "nonsense"])
    #expect(throws: RPCFailure.methodNotFound("nonsense")) { try entries[1].outcome.get() }
  }
}
