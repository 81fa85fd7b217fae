import EthereumPrimitives
import PlumiseWire
import Testing

@Suite("Calls of the contracts")
struct ContractCallTests {
  static let agent = Address.precompile(0x99)
  static let contribution = Contribution(taskCount: 5, uptimeSeconds: 3600, responseScore: 80)
  static let longContribution = Contribution(
    taskCount: 5, uptimeSeconds: 3600, responseScore: 80,
    throughput: .init(processedTokens: 1000, averageLatencyInverse: 9900))

  @Test(
    "Every call of AgentRegistry has its selector and reads back",
    arguments: [
      (.registerAgent(nodeID: .zero, metadata: "노드"), "0x9c795951"), (.heartbeat, "0x3defb962"),
      (.updateMetadata("m"), "0x918b5be1"), (.deregisterAgent, "0xa7253704"),
      (.getAgent(agent), "0xfb3551ff"), (.getActiveAgents, "0x86b909fd"),
      (.getActiveAgentCount, "0x36dd8a1a"), (.isActive(agent), "0x9f8a13d7"),
      (.isRegistered(agent), "0xc3c5a547"),
    ] as [(AgentRegistryCall, String)])
  func registry(_ call: AgentRegistryCall, _ selector: String) throws {
    #expect(Hex.encode(call.input.prefix(4)) == selector)
    #expect(try AgentRegistryCall(input: call.input) == call)
    #expect(AgentRegistryCall.functions.contains { $0.signature == call.signature })
  }

  @Test(
    "Every call of RewardPool has its selector and reads back",
    arguments: [
      (.syncRewards, "0x72c0c211"), (.reportContribution(agent: agent, contribution), "0x410a24ad"),
      (.reportContribution(agent: agent, longContribution), "0x6a1c8955"),
      (.distributeRewards(epoch: 7), "0x59974e38"), (.claimReward, "0xb88a802f"),
      (.claimRewardFor(agent), "0xff85a2ba"), (.getPendingReward(agent), "0x4df9d6ba"),
      (.getContribution(agent), "0x21eff7fc"), (.getCurrentEpoch, "0xb97dd9e2"),
      (.pendingRewards(agent), "0x31d7a262"),
    ] as [(RewardPoolCall, String)])
  func pool(_ call: RewardPoolCall, _ selector: String) throws {
    #expect(Hex.encode(call.input.prefix(4)) == selector)
    #expect(try RewardPoolCall(input: call.input) == call)
    #expect(RewardPoolCall.functions.contains { $0.signature == call.signature })
  }

  @Test("A call that is cut, unknown or malformed is refused with its reason")
  func refused() {
    #expect(throws: ContractCallError.noSelector(length: 3)) {
      try RewardPoolCall(input: [1, 2, 3])
    }
    #expect(throws: ContractCallError.unknownSelector([1, 2, 3, 4])) {
      try RewardPoolCall(input: [1, 2, 3, 4])
    }
    let cut = RewardPoolCall.claimRewardFor(Self.agent).input.dropLast()
    #expect(
      throws: ContractCallError.arguments(
        signature: "claimRewardFor(address)", .truncated(offset: 0, expected: 32))
    ) { try RewardPoolCall(input: cut) }
  }

  @Test(
    "The topics are those that the live contracts log",
    arguments: [
      (
        ContractEvent.rewardClaimed,
        "0x106f923f993c2149d49b4255ff723acafa1f2d94393f561d3eda32ae348f7241"
      ),
      (.contributionReported, "0xc4a00d7728537c062c6ad169ab1c2d26d47b172ba1544649072d9e3cb1cce924"),
      (.rewardsDistributed, "0x6ae8ee960d83517f7fa993ad7a0e16e33d9655a23ff41eefc62bdb289c7a8e5f"),
      (.rewardReceived, "0xfb0e1482d62102ab9594f69d4c6d693749e3e2bf1c21af272f5456b2d5a4f6b5"),
      (.agentRegistered, "0x44beda3d7d201bb876725c6a34391cbd97bb0b57b82c15cd856080b7e152b81b"),
      (.heartbeat, "0x524ff62d10e7448ae7f4b3312273a3f8400a0662bc7991a69119576c86cecabe"),
    ])
  func topics(_ event: ContractEvent, _ topic: String) {
    #expect(event.topic.hex == topic)
  }

  @Test("The contracts are at their addresses")
  func addresses() {
    #expect(
      PlumiseNetwork.Contract.agentRegistry.lowercaseHex
        == "0xc9cf64344d22f02f6cdb8e7b5349f30e09f9043c")
    #expect(
      PlumiseNetwork.Contract.rewardPool.lowercaseHex
        == "0x0000000000000000000000000000000000001000")
  }
}

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

@Suite("Calldata")
struct CalldataTests {
  @Test(
    "Every call is read, understood and written as another implementation wrote it",
    arguments: Vectors.all.calldata)
  func golden(_ vector: Vectors.Call) throws {
    let input = try Hex.decode(vector.data)
    if let contract = PrecompileCall.Contract(address: try Address(vector.to)) {
      let call = try PrecompileCall(to: contract, input: input)
      #expect(Hex.encode(call.restoringCutName.input) == vector.data)
      #expect(vector.function == call.name)
    } else if let call = try? RewardPoolCall(input: input) {
      #expect(call.signature == vector.function)
      #expect(Hex.encode(call.input) == vector.data)
    } else {
      let call = try AgentRegistryCall(input: input)
      #expect(call.signature == vector.function)
      #expect(Hex.encode(call.input) == vector.data)
    }
  }

  @Test("A name cut inside a character loses the broken rest when it is read")
  func cutName() throws {
    let vector = try #require(
      Vectors.all.calldata.first { $0.data.hasPrefix("0xeb85b8eb939c") })
    let registration = try AgentRegistration(input: Hex.decode(vector.data))
    #expect(registration.name == "노드-한국어-에이전트-")
    #expect(registration.capabilities.count == 1)
  }
}

extension PrecompileCall {
  var name: String {
    switch self {
    case .verifyInference: "verifyInference"
    case .registration: "register"
    case .heartbeat: "heartbeat"
    case .claimReward: "claimReward"
    }
  }

  /// The call that the vectors' author encoded: the one name that is cut there went on with 한.
  var restoringCutName: PrecompileCall {
    guard case .registration(let registration) = self, registration.name.hasSuffix("전트-") else {
      return self
    }
    return .registration(
      AgentRegistration(
        name: registration.name + "한", modelHash: registration.modelHash,
        capabilities: registration.capabilities))
  }
}
