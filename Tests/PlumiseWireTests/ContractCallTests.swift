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
