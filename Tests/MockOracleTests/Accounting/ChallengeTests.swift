import EthereumClient
import EthereumPrimitives
import MockOracle
import MockWeb3
import PlumiseTesting
import PlumiseWire
import TestSupport
import Testing

/// A contract with ChallengeManager's interface, as small as these tests need it: it takes a difficulty
/// of 8 or more, and any solution.
private enum SmallChallengeManager {
  static let created = ABI.eventTopic("ChallengeCreated(uint256,uint256,bytes32,uint256,uint256)")
  static let solved = ABI.eventTopic("ChallengeSolved(uint256,address,bytes32,uint256)")

  /// The code that puts the contract on a chain.
  static var creation: [UInt8] {
    let code = runtime
    return [0x61, UInt8(code.count >> 8), UInt8(code.count & 255), 0x80, 0x60, 0x0c, 0x60, 0, 0x39]
      + [0x60, 0, 0xf3] + code
  }

  private static func push(_ word: Word) -> [UInt8] { [0x7f] + word.bigEndianBytes }

  private static func when(_ signature: String, jumpTo place: Int) -> [UInt8] {
    // The selector is the input's first four bytes.
    [0x60, 0, 0x35, 0x60, 0xe0, 0x1c, 0x63] + ABI.selector(signature)
      + [0x14, 0x61, UInt8(place >> 8), UInt8(place & 255), 0x57]
  }

  private static func revert(_ reason: String) -> [UInt8] {
    let data = ABI.encodeError(reason)
    let words = data + [UInt8](repeating: 0, count: (32 - data.count % 32) % 32)
    var code: [UInt8] = []
    for start in stride(from: 0, to: words.count, by: 32) {
      code += [0x7f] + words[start..<start + 32] + [0x60, UInt8(start), 0x52]
    }
    return code + [0x60, UInt8(data.count), 0x60, 0, 0xfd]
  }

  private static func storeInput(_ offset: UInt8, in slot: UInt8) -> [UInt8] {
    [0x60, offset, 0x35, 0x60, slot, 0x55]
  }

  private static var runtime: [UInt8] {
    let signatures = [
      "createChallenge(uint256,bytes32,uint256)", "submitSolution(uint256,bytes32)",
      "getCurrentChallenge()",
    ]
    let refusal = revert("Invalid difficulty")
    let dispatch = signatures.count * 16 + 5
    // A difficulty of 8 or more jumps over the refusal.
    let check: [UInt8] = [0x5b, 0x60, 8, 0x60, 4, 0x35, 0x10, 0x15, 0x61]
    let opened = dispatch + check.count + 3 + refusal.count
    let store: [UInt8] =
      [0x5b, 0x60, 0, 0x54, 0x60, 1, 0x01, 0x60, 0, 0x55] + storeInput(4, in: 1)
      + storeInput(0x24, in: 2) + [
        0x42, 0x60, 3, 0x55, 0x42, 0x60, 0x44, 0x35, 0x01, 0x60, 4, 0x55,
      ]
      + [0x60, 0, 0x60, 5, 0x55] + [0x60, 0, 0x54] + push(created.word) + [
        0x60, 0, 0x60, 0, 0xa2, 0,
      ]
    let create = check + [UInt8(opened >> 8), UInt8(opened & 255), 0x57] + refusal + store
    let solve: [UInt8] =
      [0x5b, 0x60, 1, 0x60, 5, 0x55, 0x33, 0x60, 6, 0x55, 0x33, 0x60, 4, 0x35]
      + push(solved.word) + [0x60, 0, 0x60, 0, 0xa3, 0]
    var read: [UInt8] = [0x5b]
    for slot in 0..<7 as Range<UInt8> { read += [0x60, slot, 0x54, 0x60, slot * 32, 0x52] }
    read += [0x61, 1, 0, 0x60, 0, 0xf3]
    let places = [dispatch, dispatch + create.count, dispatch + create.count + solve.count]
    var code: [UInt8] = []
    for (signature, place) in zip(signatures, places) { code += when(signature, jumpTo: place) }
    return code + [0x60, 0, 0x60, 0, 0xfd] + create + solve + read
  }
}

@Suite("Challenges of the oracle", .timeLimit(.minutes(5))) struct ChallengeTests {
  private let network = TestChain()
  private let time = TestTime(Int64(TestChain.time) + 10)

  /// Deploys the contract, whose address is the same on each chain.
  private func deploy(on network: TestChain) async throws -> Address {
    let account = network.account(5)
    let transaction = Transaction(
      chainID: PlumiseNetwork.chainID, nonce: 0, fee: .legacy(gasPrice: 2_000_000_000),
      gasLimit: 3_000_000, to: nil, data: SmallChallengeManager.creation
    ).signed(with: account.key)
    let hash = try await network.client.send(transaction)
    let receipt = try await network.client.request(
      "eth_getTransactionReceipt", [.string(hash.hex)])
    return try Address(try #require(receipt["contractAddress"]?.stringValue))
  }

  private func oracle(
    _ profile: OracleProfile, _ manager: Address, awaitsManager: Bool = false
  ) -> MockOracle {
    var configuration = OracleConfiguration(
      dialects: [.deployed], profile: profile, registration: .chain(network.client),
      epoch: .chain(network.client), unixClock: time.clock)
    configuration.chainOperations = ChainOperationsPlan(
      account: OracleAccount(key: network.oracle.key, client: network.client),
      challengeManager: manager, awaitsChallengeManager: awaitsManager, clock: ManualClock())
    return MockOracle(configuration)
  }

  @Test(
    "28: the deployed oracle asks for a difficulty that the contract refuses",
    arguments: OracleProfile.allCases)
  func difficulty(profile: OracleProfile) async throws {
    let oracle = oracle(profile, try await deploy(on: network))
    await oracle.perform(.challenges)
    let outcome = try #require(oracle.chainOperations?.entries.last)
    let current = await oracle.get("/api/challenges/current").body
    if profile == .faithful {
      #expect("\(outcome.result)".contains("Invalid difficulty"))
      #expect(current == nil)
      #expect(await oracle.get("/api/challenges").body == [])
    } else {
      guard case .mined(_, succeeded: true) = outcome.result else {
        Issue.record("\(outcome)")
        return
      }
      #expect(current?["id"] == 1 && current?["difficulty"] == 8 && current?["solved"] == false)
      #expect(current?["solver"] == .null)
      // While it is open no other one is made.
      await oracle.perform(.challenges)
      #expect(oracle.chainOperations?.count == 1)
    }
  }

  @Test("An oracle that awaits the contract tries no challenge before it is there")
  func contract() async throws {
    let manager = try await deploy(on: TestChain())
    let (eager, patient) = (oracle(.fixed, manager), oracle(.fixed, manager, awaitsManager: true))
    for oracle in [eager, patient] { await oracle.perform(.challenges) }
    #expect(eager.chainOperations?.count == 1 && patient.chainOperations?.count == 0)
    #expect(try await deploy(on: network) == manager)
    await patient.perform(.challenges)
    #expect(patient.chainOperations?.entries.map(\.operation) == [.challenges])
    #expect(await patient.get("/api/challenges/current").body?["id"] == 1)
  }

  @Test(
    "27: solved challenges are tasks, which the deployed oracle looks up under another spelling",
    arguments: OracleProfile.allCases)
  func tasks(profile: OracleProfile) async throws {
    let manager = try await deploy(on: network)
    let oracle = oracle(profile, manager)
    let agent = network.account(0)
    let joined = pipelineRegistration(by: agent.key, timestamp: time.seconds)
    #expect(await oracle.post(joined, to: PipelineRegistration.path).status == 201)
    await oracle.perform(.monitoring)
    await oracle.perform(.contributions)
    let seed = Hash32(word: 7)
    try await network.send(
      ABI.call(
        "createChallenge(uint256,bytes32,uint256)", [.uint(8), .bytes32(seed), .uint(3600)]),
      to: manager, from: network.account(5))
    await oracle.perform(.monitoring)
    time.seconds += 42
    try await network.send(
      ABI.call("submitSolution(uint256,bytes32)", [.uint(1), .bytes32(seed)]), to: manager,
      from: agent)
    await oracle.perform(.monitoring)
    network.chain.mine(Int(PlumiseNetwork.epochBlocks))
    await oracle.perform(.heartbeats)
    await oracle.perform(.contributions)
    let reported = oracle.chainOperations?.entries.compactMap(\.contribution)
    // 100 less a tenth of 42 seconds, rounded down.
    #expect(
      reported == [
        profile == .fixed
          ? Contribution(taskCount: 1, uptimeSeconds: 0, responseScore: 95)
          : Contribution(taskCount: 0, uptimeSeconds: 0, responseScore: 0)
      ])
  }
}
