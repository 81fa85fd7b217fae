import AsyncPrimitives
import EthereumPrimitives
import PlumiseWire
import TestVectors
import Testing

/// Whatever arrives, a reader refuses it or understands it; it never ends the process.
@Suite("Readers of altered messages")
struct MutationTests {
  @Test("Altered JSON is refused, or prints and reads alike", arguments: 0..<4 as Range<UInt64>)
  func json(_ seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    let text =
      #"{"jsonrpc":"2.0","id":1,"method":"a\u00e9\ud83d\ude42","params":[-1.5e-3,{"x":null,"y":[]}]}"#
    for _ in 0..<1000 {
      let altered = random.mutation(of: Array(text.utf8))
      _ = RPCIncoming(altered)
      // A refusal is as good as an understanding.
      guard let value = try? JSON.parse(altered) else { continue }
      let printed = try JSON.parse(value.serialized())
      let canonical = try JSON.parse(CanonicalJSON.text(of: value))
      #expect(printed == value)
      #expect(canonical == value)
    }
  }

  @Test(
    "An altered input of a precompiled contract is refused, or read",
    arguments: PrecompileCall.Contract.allCases, 0..<2 as Range<UInt64>)
  func precompiles(_ contract: PrecompileCall.Contract, _ seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    let capabilities = [Hash32.zero, Keccak256.hash("x")]
    let samples: [PrecompileCall] = [
      .registration(
        AgentRegistration(
          name: "한국어", modelHash: .zero, capabilities: capabilities, beneficiary: .zero)),
      .verifyInference(try Vectors.all.proofs[0].proof(), layout: .agentFirst),
      .heartbeat(agent: .zero),
    ]
    for sample in samples {
      for _ in 0..<300 {
        // A refusal is as good as an understanding.
        guard let call = try? PrecompileCall(to: contract, input: random.mutation(of: sample.input))
        else { continue }
        #expect(call.contract == contract)
      }
    }
  }

  @Test("An altered call of a contract is refused, or read", arguments: 0..<4 as Range<UInt64>)
  func contracts(_ seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    let registration = AgentRegistryCall.registerAgent(nodeID: .zero, metadata: "metadata")
    let report = RewardPoolCall.reportContribution(
      agent: .zero, Contribution(taskCount: 1, uptimeSeconds: 2, responseScore: 3))
    for _ in 0..<500 {
      // A refusal is as good as an understanding.
      if let call = try? AgentRegistryCall(input: random.mutation(of: registration.input)) {
        #expect(call.input.starts(with: ABI.selector(call.signature)))
      }
      if let call = try? RewardPoolCall(input: random.mutation(of: report.input)) {
        #expect(call.input.starts(with: ABI.selector(call.signature)))
      }
    }
  }
}
