import ChainAgent
import EthereumClient
import EthereumPrimitives
import Foundation
import MockServing
import MockWeb3
import PlumiseWire
import Testing

/// A chain behind a URL: this package's own, or the one that `PLUMISE_RPC_URL` names.
private struct Endpoint {
  static let url = ProcessInfo.processInfo.environment["PLUMISE_RPC_URL"]
  /// The key of an account with some coins: `0x` and digits, or a V3 keystore whose password is the
  /// first line of `PLUMISE_PASSWORD_FILE`.
  static let keyFile = ProcessInfo.processInfo.environment["PLUMISE_KEY_FILE"]
  static let passwordFile = ProcessInfo.processInfo.environment["PLUMISE_PASSWORD_FILE"]

  static func key() throws -> SecretKey {
    let text = try String(contentsOfFile: keyFile ?? "", encoding: .utf8)
      .trimmingCharacters(in: .whitespacesAndNewlines)
    guard text.hasPrefix("{") else { return try SecretKey(hex: text) }
    let password = try String(contentsOfFile: passwordFile ?? "", encoding: .utf8)
      .split(whereSeparator: \.isNewline).first.map(String.init)
    return try Keystore(json: text.utf8).key(password: password ?? "")
  }

  let client: EthereumClient

  init(url: String) { client = EthereumClient(url: url, retries: .standard) }

  /// What anybody may ask.
  func checkReading() async throws {
    let id = try await client.chainID()
    #expect(
      [PlumiseNetwork.chainID, PlumiseNetwork.testnetChainID].contains(id),
      "\(id) is no Plumise chain")
    let height = try await client.blockNumber()
    let hex = JSON.string(Quantity.encode(height))
    let block = try await client.request("eth_getBlockByNumber", [hex, false])
    #expect(block["number"] == hex)
    let hash = try #require(block["hash"])
    #expect(try await client.request("eth_getBlockByHash", [hash, false])["number"] == hex)
    if height > 0 {
      let parent = JSON.string(Quantity.encode(height - 1))
      #expect(
        try await client.request("eth_getBlockByNumber", [parent, false])["hash"]
          == block["parentHash"])
    }
    #expect(try await client.gasPrice() > .zero)
    // An address that nobody has the key of.
    let nobody = Address.precompile(0xff)
    #expect(try await !client.agentStatus(of: nobody).isRegistered)
    #expect(try await !client.isAgentAccount(nobody))
    let epoch = try await client.call(
      to: PlumiseNetwork.Contract.rewardPool, data: RewardPoolCall.getCurrentEpoch.input)
    #expect(epoch.count == 32)
  }

  /// What an agent does: registers, beats, looks, claims.
  func checkAgent(_ key: SecretKey) async throws {
    let agent = ChainAgent(
      ChainAgentConfiguration(chainID: try await client.chainID()), key: key, client: client)
    #expect(try await agent.balance() > .zero)
    _ = try await agent.register(
      AgentRegistration(
        name: AgentRegistration.defaultName(model: PlumiseNetwork.model, agent: agent.address),
        modelHash: Keccak256.hash(PlumiseNetwork.model)))
    #expect(try await agent.status().isRegistered)
    // A second time nothing is sent.
    let registration = AgentRegistration(name: "again", modelHash: .zero)
    #expect(try await agent.register(registration) == .alreadyRegistered)
    let beat = try await agent.heartbeat()
    #expect(beat.succeeded && beat.to == .precompile(0x22))
    let time = try await client.timestamp(of: .number(beat.blockNumber))
    #expect(try await agent.status().lastHeartbeat == time)
    // It pays what is pending, and with nothing pending it succeeds and pays nothing.
    let pending = try await agent.pendingReward()
    let before = try await agent.balance()
    let claim = try await agent.claimReward()
    #expect(claim.succeeded && claim.blockNumber >= beat.blockNumber)
    let fee = Word(claim.gasUsed) * claim.effectiveGasPrice
    #expect(try await agent.balance() == before + pending - fee)
    #expect(try await agent.pendingReward() == .zero)
  }
}

@Suite("Any chain", .timeLimit(.minutes(5)))
struct RealChainTests {
  @Test("This package's chain answers what anybody may ask")
  func ownReading() async throws {
    try await MockWeb3().withServer { try await Endpoint(url: $0.url).checkReading() }
  }

  @Test("On this package's chain an agent registers, sends heartbeats and claims")
  func ownAgent() async throws {
    let chain = MockWeb3()
    try await chain.withServer {
      try await Endpoint(url: $0.url).checkAgent(chain.accounts[0].key)
    }
  }

  @Test(
    "A real chain answers what anybody may ask",
    .enabled(if: Endpoint.url != nil, "set PLUMISE_RPC_URL to a chain's JSON-RPC address"))
  func realReading() async throws {
    try await Endpoint(url: try #require(Endpoint.url)).checkReading()
  }

  @Test(
    "On a real chain an agent registers, sends heartbeats and claims",
    .enabled(
      if: Endpoint.url != nil && Endpoint.keyFile != nil,
      "set PLUMISE_RPC_URL, and PLUMISE_KEY_FILE to the key of an account with some coins"))
  func realAgent() async throws {
    try await Endpoint(url: try #require(Endpoint.url)).checkAgent(try Endpoint.key())
  }
}
