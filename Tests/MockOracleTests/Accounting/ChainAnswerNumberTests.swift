import AsyncPrimitives
import EthereumClient
import EthereumPrimitives
import MockOracle
import MockWeb3
import PlumiseTesting
import PlumiseWire
import TestSupport
import Testing

@Suite("Extreme numbers in a chain's answers", .timeLimit(.minutes(5)))
struct ChainAnswerNumberTests {
  /// A chain that lies: every quantity of one method's answers is another one.
  private func client(
    of network: TestChain, lying method: String, _ quantity: String, asked: AsyncState<Int>
  ) -> EthereumClient {
    EthereumClient(
      transport: InMemoryRPCTransport { bytes in
        guard let answer = await network.chain.respond(to: bytes) else { return nil }
        guard let question = try? JSON.parse(bytes), var reply = try? JSON.parse(answer) else {
          Issue.record("a message that is no JSON")
          return answer
        }
        let methods = (question.arrayValue ?? [question]).map { $0["method"]?.stringValue }
        guard methods.contains(method) else { return answer }
        asked.update { $0 += 1 }
        reply = Self.replaced(in: reply, by: quantity)
        return reply.serialized()
      })
  }

  private static func replaced(in json: JSON, by quantity: String) -> JSON {
    if let array = json.arrayValue { return .array(array.map { replaced(in: $0, by: quantity) }) }
    if let object = json.objectValue {
      var changed = JSONObject()
      for member in object.members {
        changed[member.key] = replaced(in: member.value, by: quantity)
      }
      return .object(changed)
    }
    guard let text = json.stringValue, text.hasPrefix("0x") else { return json }
    // Words of a call's answer become words, quantities become quantities.
    if text.utf8.count > 42, (text.utf8.count - 2) % 64 == 0 {
      let digits = quantity.dropFirst(2)
      let word = String(repeating: "0", count: max(0, 64 - digits.count)) + digits.suffix(64)
      return .string("0x" + String(repeating: word, count: (text.utf8.count - 2) / 64))
    }
    return text.utf8.count <= 18 ? .string(quantity) : json
  }

  @Test(
    "No quantity of a chain ends an oracle that works on it",
    arguments: ["eth_blockNumber", "eth_getBlockByNumber", "eth_call", "eth_getLogs"])
  func operations(method: String) async throws {
    let asked = AsyncState(0)
    for quantity in [
      "0x0", "0x7fffffff", "0x7fffffffffffffff", "0x8000000000000000", "0xfffffffffffffffe",
      "0xffffffffffffffff", "0x10000000000000000", "0x" + String(repeating: "f", count: 64),
    ] {
      for profile in OracleProfile.allCases {
        let network = TestChain()
        let client = client(of: network, lying: method, quantity, asked: asked)
        var configuration = OracleConfiguration(
          dialects: [.deployed], profile: profile, epoch: .chain(client),
          unixClock: TestTime(Int64(TestChain.time)).clock)
        configuration.chainOperations = ChainOperationsPlan(
          account: OracleAccount(key: network.oracle.key, client: client),
          challengeManager: .precompile(0x25), clock: ManualClock())
        let oracle = MockOracle(configuration)
        let report = try deployedReport(by: testKey(), timestamp: Int64(TestChain.time))
        _ = await oracle.post(report, to: ReportDialect.deployed.path)
        for operation in ChainOperation.allCases where operation != .registration {
          await oracle.perform(operation)
          network.chain.mine()
          await oracle.perform(operation)
        }
        #expect(await oracle.get("/api/stats").status == 200)
      }
    }
    #expect(asked.value > 0, "the oracle never asks \(method)")
  }
}
