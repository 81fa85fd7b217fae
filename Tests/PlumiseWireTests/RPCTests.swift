import EthereumPrimitives
import PlumiseWire
import Testing

@Suite("JSON-RPC messages")
struct RPCTests {
  static let ids: [JSON] = [0, 1, -7, "", "abc", "1", .null, .number(JSONNumber(UInt64.max))]

  @Test("An id is repeated with its type", arguments: ids)
  func echo(_ id: JSON) throws {
    let request = RPCRequest(id: id, method: "eth_chainId", params: ["0x1", nil])
    guard case .single(.request(let read)) = RPCIncoming(request.json.serialized()) else {
      Issue.record("no request")
      return
    }
    #expect(read == request)
    #expect(!read.isNotification)
    let response = RPCResponse(id: id, result: "0xa3e4")
    #expect(try RPCReply(response.json.serialized()) == .single(response))
    #expect(response.json.text == #"{"jsonrpc":"2.0","id":\#(id.text),"result":"0xa3e4"}"#)
  }

  @Test("An id that is a fraction is repeated as it is written")
  func fractionalID() {
    let body = Array(#"{"jsonrpc":"2.0","id":1.50,"method":"m"}"#.utf8)
    guard case .single(.request(let request)) = RPCIncoming(body) else {
      Issue.record("no request")
      return
    }
    #expect(request.id?.text == "1.50")
    #expect(request.params.isEmpty)
  }

  @Test("A request without id is a notification")
  func notification() {
    let body = RPCRequest(id: nil, method: "m", params: [1]).json.serialized()
    guard case .single(.request(let request)) = RPCIncoming(body) else {
      Issue.record("no request")
      return
    }
    #expect(request.isNotification)
    #expect(
      String(decoding: body, as: UTF8.self) == #"{"jsonrpc":"2.0","method":"m","params":[1]}"#)
  }

  @Test(
    "A body that is no request has the answer that go-ethereum gives",
    arguments: [
      ("", RPCFailure.parseError, "null"), ("{", .parseError, "null"), ("[1", .parseError, "null"),
      ("[]", .emptyBatch, "null"), ("1", .invalidRequest, "null"), ("{}", .invalidRequest, "null"),
      (#"{"id":7,"method":"m"}"#, .invalidRequest, "7"),
      (#"{"jsonrpc":"1.0","id":"x","method":"m"}"#, .invalidRequest, "\"x\""),
      (#"{"jsonrpc":"2.0","id":7}"#, .invalidRequest, "7"),
      (#"{"jsonrpc":"2.0","id":7,"method":8}"#, .invalidRequest, "7"),
      (#"{"jsonrpc":"2.0","id":{},"method":"m"}"#, .invalidRequest, "null"),
      (#"{"jsonrpc":"2.0","id":[1],"method":"m"}"#, .invalidRequest, "null"),
      (#"{"jsonrpc":"2.0","id":7,"method":"m","params":{"a":1}}"#, .nonArrayParameters, "7"),
      (#"{"jsonrpc":"2.0","id":7,"method":"m","params":"a"}"#, .nonArrayParameters, "7"),
    ])
  func invalid(_ body: String, _ failure: RPCFailure, _ id: String) throws {
    let expected = RPCResponse(id: try JSON.parse(id), failure: failure)
    #expect(RPCIncoming(Array(body.utf8)) == .single(.invalid(expected)))
  }

  @Test("A batch keeps its order, with the answers to what is no request in their places")
  func batch() {
    let body =
      #"[{"jsonrpc":"2.0","id":1,"method":"a"},1,{"jsonrpc":"2.0","method":"b"},{"id":"z"}]"#
    let expected: [RPCIncoming.Element] = [
      .request(RPCRequest(id: 1, method: "a")),
      .invalid(RPCResponse(id: .null, failure: .invalidRequest)),
      .request(RPCRequest(id: nil, method: "b")),
      .invalid(RPCResponse(id: "z", failure: .invalidRequest)),
    ]
    #expect(RPCIncoming(Array(body.utf8)) == .batch(expected))
  }

  @Test("The reply to a batch reads back")
  func batchReply() throws {
    let reply = RPCReply.batch([
      RPCResponse(id: 1, result: .null),
      RPCResponse(id: "x", failure: RPCFailure(code: -32000, message: "no", data: ["why": 1])),
    ])
    #expect(try RPCReply(reply.json.serialized()) == reply)
  }

  @Test(
    "A reply that is no answer is refused",
    arguments: [
      "{}", "1", #"{"jsonrpc":"2.0","id":1}"#, #"{"id":1,"result":1}"#,
      #"{"jsonrpc":"2.0","id":1,"error":"text"}"#,
      #"{"jsonrpc":"2.0","id":1,"error":{"code":"x"}}"#,
      #"{"jsonrpc":"2.0","id":1,"result":1,"error":{"code":1,"message":"m"}}"#, "[1]",
    ])
  func invalidReply(_ body: String) throws {
    let error = #expect(throws: RPCReplyError.self) { try RPCReply(Array(body.utf8)) }
    guard case .notAResponse? = error else {
      Issue.record("\(String(describing: error))")
      return
    }
  }

  @Test("A reply that is not JSON is refused with the place")
  func notJSON() {
    let error = #expect(throws: RPCReplyError.self) { try RPCReply(Array("<html>".utf8)) }
    #expect(
      error?.description == "the server's reply is invalid JSON at byte 0: unexpected '<'")
  }

  @Test("A failure with a null result beside it is a failure")
  func nullBesideError() throws {
    let body = #"{"jsonrpc":"2.0","id":1,"result":null,"error":{"code":5,"message":"m"}}"#
    let expected = RPCResponse(id: 1, failure: RPCFailure(code: 5, message: "m"))
    #expect(try RPCReply(Array(body.utf8)) == .single(expected))
  }

  @Test(
    "Failures have go-ethereum's codes and words",
    arguments: [
      (RPCFailure.methodNotFound("x_y"), -32601, "the method x_y does not exist/is not available"),
      (.missingArgument(1), -32602, "missing value for required argument 1"),
      (.invalidArgument(0, "hex string \"0x\""), -32602, "invalid argument 0: hex string \"0x\""),
      (.tooManyArguments(atMost: 2), -32602, "too many arguments, want at most 2"),
      (.parseError, -32700, "parse error"), (.emptyBatch, -32600, "empty batch"),
      (.refused("nonce too low"), -32000, "nonce too low"),
      (.reverted(reason: "No rewards"), 3, "execution reverted: No rewards"),
      (.reverted(reason: nil), -32000, "execution reverted"),
    ])
  func failures(_ failure: RPCFailure, _ code: Int, _ message: String) {
    #expect(failure.code == code)
    #expect(failure.message == message)
    #expect(RPCFailure(json: failure.json) == failure)
  }

  @Test("The reason of a revert is read from its data")
  func revertReason() {
    #expect(RPCFailure.reverted(reason: "Agent not active").revertReason == "Agent not active")
    #expect(RPCFailure.reverted(reason: nil).revertReason == nil)
    #expect(RPCFailure.reverted(reason: nil).isRevert && !RPCFailure.refused("x").isRevert)
    #expect(RPCFailure.refused("x").revertReason == nil)
    #expect(RPCFailure(code: 3, message: "m", data: "zz").revertReason == nil)
  }
}
