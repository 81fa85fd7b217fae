import EthereumClient
import EthereumPrimitives
import HTTPTypes
import MockServing
import MockWeb3
import PlumiseWire
import TestSupport
import Testing

@Suite("Orders of the chain's faults", .timeLimit(.minutes(5)))
struct ChainAdministrationTests {
  private func ask(
    _ chain: MockWeb3, _ method: HTTPRequest.Method, _ path: String, _ body: String = ""
  ) throws -> JSON {
    let request = WebRequest(method, path, headers: [:], body: Array(body.utf8))
    let answer = try #require(chain.faultAdministration.respond(to: request))
    return try JSON.parse(answer.body)
  }

  @Test("A fault is listed as it was ordered, whatever it is, and taken back by its id")
  func everyFault() throws {
    let chain = MockWeb3()
    let sender = chain.accounts[0].address.checksummed
    let orders = [
      #"{"fault":"revert","reason":"no","#, #"{"fault":"drop","#,
      #"{"fault":"withholdReceipt","blocks":2,"#, #"{"fault":"loseReceipt","#,
      #"{"fault":"reorganise","depth":3,"#, #"{"fault":"stall","#,
      #"{"fault":"error","code":-32000,"message":"busy","#,
      #"{"fault":"delay","milliseconds":500,"#, #"{"fault":"reset","afterHandling":true,"#,
    ].map {
      $0 + #""method":"eth_call","sender":"\#(sender)","count":2,"skip":1,"probability":0.5}"#
    }
    for order in orders {
      let id = try #require(try ask(chain, .post, "/admin/faults", order)["id"])
      let listed = try #require(try ask(chain, .get, "/admin/faults")["faults"]?.arrayValue)
      #expect(listed.count == 1)
      var object = try #require(listed[0].objectValue)
      #expect(object["id"] == id)
      object["id"] = nil
      #expect(JSON.object(object) == (try JSON.parse(Array(order.utf8))))
      let text = id.stringValue ?? id.text
      #expect(try ask(chain, .delete, "/admin/faults/\(text)")["faults"] == [])
      #expect(try ask(chain, .delete, "/admin/faults/\(text)")["error"] != nil)
    }
  }

  @Test(
    "Who observes the faults goes on to when the chain is replaced, and an earlier chain brings none back"
  )
  func replacedChain() async throws {
    let network = TestChain()
    let changes = Journal<FaultAdministration.Change>()
    network.chain.observeFaults { changes.record($0) }
    network.chain.seedFaults(7)
    let snapshot = try await network.client.request("evm_snapshot")
    network.chain.inject(
      ChainFaultRule(.refuse(RPCFailure(code: -5, message: "busy")), method: "eth_blockNumber"))
    _ = try await network.client.request("evm_revert", [snapshot])
    #expect(try await network.failure("eth_blockNumber")?.code == -5)
    network.chain.inject(.stall)
    _ = try await network.client.request("anvil_reset")
    network.chain.inject(
      ChainFaultRule(.refuse(RPCFailure(code: -6, message: "busy")), method: "eth_blockNumber"))
    #expect(try await network.failure("eth_blockNumber")?.code == -6)
    #expect(network.chain.faultSeed == 7)
    let kinds = changes.entries.map { change in
      switch change {
      case .ordered: "ordered"
      case .takenBack: "taken back"
      case .cleared: "cleared"
      case .usedUp: "used up"
      }
    }
    #expect(
      kinds == ["ordered", "used up", "ordered", "cleared", "ordered", "used up"], "\(kinds)")
  }

  @Test("An ordered fault happens, and all are taken back at once; a wrong order says why")
  func happens() async throws {
    let chain = MockWeb3()
    for order in [
      #"{"fault":"error","code":-5,"message":"busy","count":0}"#,
      #"{"fault":"reset","method":"eth_blockNumber"}"#,
    ] { _ = try ask(chain, .post, "/admin/faults", order) }
    let body = Array(#"{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}"#.utf8)
    let busy = try JSON.parse(try #require(await chain.respond(to: body)))
    #expect(busy["error"]?["code"] == -5)
    #expect(!chain.connectionFaults.isExhausted)
    #expect(try ask(chain, .delete, "/admin/faults")["faults"] == [])
    let free = try JSON.parse(try #require(await chain.respond(to: body)))
    #expect(free["error"] == nil && chain.connectionFaults.isExhausted)
    for (order, part) in [
      ("{}", "a fault needs the field fault"), (#"{"fault":"x"}"#, "unknown fault \"x\""),
      (#"{"fault":"drop","y":1}"#, "a fault has no field y"),
    ] {
      let error = try ask(chain, .post, "/admin/faults", order)["error"]?.stringValue
      #expect(error == part, "\(error ?? "")")
    }
  }
}
