import EthereumPrimitives
import PlumiseWire
import Testing

@Suite("Precompiled contracts")
struct PrecompileTests {
  @Test("The four contracts are at 0x20 to 0x23")
  func addresses() {
    #expect(
      PrecompileCall.Contract.allCases.map { $0.address } == (0x20...0x23).map { .precompile($0) })
    #expect(PrecompileCall.Contract(address: .precompile(0x21)) == .agentRegister)
    #expect(PrecompileCall.Contract(address: .precompile(0x24)) == nil)
    #expect(PrecompileCall.Contract(address: PlumiseNetwork.Contract.rewardPool) == nil)
  }

  @Test(
    "A registration has three words and one for each capability", arguments: 0...5,
    [nil, Address.precompile(9)])
  func registration(_ count: Int, _ beneficiary: Address?) throws {
    let registration = AgentRegistration(
      name: "agent", modelHash: Keccak256.hash("m"),
      capabilities: (0..<count).map { Keccak256.hash("\($0)") }, beneficiary: beneficiary)
    let call = PrecompileCall.registration(registration)
    #expect(call.input.count == 96 + 32 * count + (beneficiary == nil ? 0 : 32))
    #expect(try PrecompileCall(to: .agentRegister, input: call.input) == call)
  }

  @Test(
    "A name keeps its first 32 bytes without a broken character",
    arguments: [
      ("", ""), ("a", "a"), (String(repeating: "a", count: 32), String(repeating: "a", count: 32)),
      (String(repeating: "a", count: 33), String(repeating: "a", count: 32)),
      (String(repeating: "한", count: 10), String(repeating: "한", count: 10)),
      (String(repeating: "한", count: 11), String(repeating: "한", count: 10)),
      ("a" + String(repeating: "한", count: 11), "a" + String(repeating: "한", count: 10)),
      ("aa" + String(repeating: "한", count: 10), "aa" + String(repeating: "한", count: 10)),
      (String(repeating: "🙂", count: 9), String(repeating: "🙂", count: 8)),
      ("a" + String(repeating: "🙂", count: 8), "a" + String(repeating: "🙂", count: 7)),
      (String(repeating: "é", count: 17), String(repeating: "é", count: 16)),
      ("a" + String(repeating: "é", count: 16), "a" + String(repeating: "é", count: 15)),
    ])
  func names(_ name: String, _ kept: String) throws {
    let input = AgentRegistration(name: name, modelHash: .zero).encode()
    #expect(
      input.prefix(32).elementsEqual(
        Array(name.utf8.prefix(32)) + [UInt8](repeating: 0, count: max(0, 32 - name.utf8.count))))
    #expect(try AgentRegistration(input: input).name == kept)
  }

  @Test("A name that is padded on the left is read like one that is padded on the right")
  func leftPadding() throws {
    var input = AgentRegistration(name: "", modelHash: .zero).encode()
    input.replaceSubrange(27..<32, with: Array("agent".utf8))
    #expect(try AgentRegistration(input: input).name == "agent")
    input.replaceSubrange(
      0..<32,
      with: [UInt8](repeating: 0, count: 10) + Array("agent".utf8)
        + [UInt8](repeating: 0, count: 17))
    #expect(try AgentRegistration(input: input).name == "agent")
  }

  @Test(
    "A capability of another length is refused with the words exactly 32 bytes",
    arguments: [0, 1, 31, 33, 64])
  func capabilityLength(_ count: Int) {
    let raw = [UInt8](repeating: 1, count: count)
    let error = #expect(throws: PrecompileInputError.capabilityLength(count)) {
      try AgentRegistration(
        name: "a", modelHash: .zero, rawCapabilities: [[UInt8](repeating: 0, count: 32), raw])
    }
    #expect(error?.description.contains("exactly 32 bytes") == true)
  }

  @Test(
    "A count of capabilities that does not fit the length is refused with both",
    arguments: [
      (0 as Word, 2), (1, 0), (1, 3), (3, 1), (1 << 64, 0), (.max, 0), (.max, 1),
      (Word(UInt64.max), 0),
    ])
  func countMismatch(_ stated: Word, _ words: Int) {
    let input =
      [UInt8](repeating: 0, count: 64) + stated.bigEndianBytes
      + [UInt8](repeating: 0, count: 32 * words)
    #expect(
      throws: PrecompileInputError.capabilityCountMismatch(stated: stated, length: input.count)
    ) {
      try AgentRegistration(input: input)
    }
  }

  @Test(
    "An input of no whole words, or too short, is refused", arguments: [0, 1, 64, 95, 97, 127, 129])
  func registrationLength(_ count: Int) {
    #expect(throws: PrecompileInputError.self) {
      try PrecompileCall(to: .agentRegister, input: [UInt8](repeating: 0, count: count))
    }
  }

  @Test("A proof's input has 160 bytes", arguments: [0, 32, 128, 159, 161, 192])
  func proofLength(_ count: Int) {
    #expect(throws: PrecompileInputError.wrongLength(expected: "160", actual: count)) {
      try PrecompileCall(to: .verifyInference, input: [UInt8](repeating: 0, count: count))
    }
  }

  @Test("A proof whose agent is no address, or whose tokens are too many, is refused")
  func proofFields() {
    let hash = Keccak256.hash("x").bytes
    let wrongAgent = hash + hash + hash + hash + ABI.word(1)
    #expect(throws: PrecompileInputError.notAnAddress(word: 3)) {
      try PrecompileCall(to: .verifyInference, input: wrongAgent)
    }
    let many = hash + hash + hash + ABI.word(Address.precompile(1)) + ABI.word(1 << 63)
    #expect(throws: PrecompileInputError.tokenCountTooLarge(1 << 63)) {
      try PrecompileCall(to: .verifyInference, input: many)
    }
  }

  @Test(
    "Heartbeats and claims are empty or name an agent",
    arguments: [PrecompileCall.Contract.agentHeartbeat, .claimReward])
  func sponsored(_ contract: PrecompileCall.Contract) throws {
    for agent in [nil, Address.precompile(0x77)] {
      let call: PrecompileCall =
        contract == .claimReward ? .claimReward(agent: agent) : .heartbeat(agent: agent)
      #expect(call.input.count == (agent == nil ? 0 : 32))
      #expect(try PrecompileCall(to: contract, input: call.input) == call)
    }
    for count in [1, 20, 31, 33, 64] {
      #expect(throws: PrecompileInputError.wrongLength(expected: "0 or 32", actual: count)) {
        try PrecompileCall(to: contract, input: [UInt8](repeating: 0, count: count))
      }
    }
    #expect(throws: PrecompileInputError.notAnAddress(word: 0)) {
      try PrecompileCall(to: contract, input: Keccak256.hash("x").bytes)
    }
  }

  @Test("The gas limits are those that clients set")
  func gasLimits() {
    let proof = InferenceProof(model: "", input: "", output: "", agent: .zero, tokenCount: 0)
    #expect(
      PrecompileCall.registration(AgentRegistration(name: "", modelHash: .zero)).gasLimit == 300_000
    )
    #expect(PrecompileCall.heartbeat(agent: nil).gasLimit == 100_000)
    #expect(PrecompileCall.verifyInference(proof, layout: .modelFirst).gasLimit == 200_000)
  }

  @Test("A node's name is the model's, cut, and the end of its address")
  func defaultName() throws {
    let agent = try Address("0xe239cdc5fbe977a8a141B72194D3CF8c41bC5BC6")
    #expect(
      AgentRegistration.defaultName(model: "bigscience/bloom-560m", agent: agent)
        == "bloom-560m-41bC5BC6")
    #expect(
      AgentRegistration.defaultName(model: "a-model-with-a-long-name", agent: agent)
        == "a-model-with-a-l-41bC5BC6")
    // Code points are counted, as Python counts them.
    #expect(
      AgentRegistration.defaultName(model: "a/e\u{301}e\u{301}e\u{301}-0123456789", agent: agent)
        .utf8.elementsEqual("e\u{301}e\u{301}e\u{301}-012345678-41bC5BC6".utf8))
  }
}
