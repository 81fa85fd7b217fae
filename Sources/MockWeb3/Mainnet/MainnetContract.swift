import EVM
import EthereumPrimitives
import PlumiseWire

/// A contract of Plumise's main network whose creation code is public; in the profile `mainnet2026`
/// it runs as bytecode.
enum MainnetContract: CaseIterable {
  case agentRegistry, challengeManager, inferencePayment

  /// Where it is.
  var address: Address {
    switch self {
    case .agentRegistry: PlumiseNetwork.Contract.agentRegistry
    case .challengeManager: PlumiseNetwork.Contract.challengeManager
    case .inferencePayment: PlumiseNetwork.Contract.inferencePayment
    }
  }

  /// The nonce of the deployer's transaction that created it; the address follows from both.
  private var nonce: UInt64 {
    switch self {
    case .agentRegistry: 1
    case .challengeManager: 5
    case .inferencePayment: 40
    }
  }

  private var initCode: String {
    switch self {
    case .agentRegistry: Self.agentRegistryInitCode
    case .challengeManager: Self.challengeManagerInitCode
    case .inferencePayment: Self.inferencePaymentInitCode
    }
  }

  /// The contracts' accounts and their deployer's, as the transactions left them that created the
  /// contracts and made the deployer one of ChallengeManager's automations; computed once a process.
  static let accounts: [Address: GenesisAccount] = {
    let deployer = PlumiseNetwork.Contract.deployer
    var configuration = ChainConfiguration(accounts: [])
    // The native registry must not be where the real one is created.
    configuration.rules.registryAddress = .zero
    func run(_ recipient: Address?, _ input: [UInt8], nonce: UInt64) throws -> Address? {
      configuration.genesisAccounts[deployer] = GenesisAccount(nonce: nonce)
      return try configuration.run(recipient, from: deployer, input: input, name: "the contract")
    }
    do {
      for contract in allCases {
        let created = try run(nil, Hex.decode("0x" + contract.initCode), nonce: contract.nonce)
        precondition(created == contract.address, "\(contract) is at its address")
      }
      _ = try run(
        MainnetContract.challengeManager.address,
        ABI.call("setAutomation(address,bool)", [.address(deployer), .bool(true)]), nonce: 6)
    } catch {
      preconditionFailure("the main network's contracts can be created: \(error)")
    }
    configuration.genesisAccounts[deployer] = GenesisAccount(nonce: 41)
    return configuration.genesisAccounts
  }()
}

/// AgentRegistry's storage where the contract runs as bytecode.
struct AgentRegistryStorage {
  let host: NativeHost
  let registry: Address

  /// The value of a member of the struct `Agent`.
  private func member(_ position: Word, of agent: Address) -> Word {
    host.storage(at: registry, slot: AgentRegistrySlots.first(of: agent) &+ position)
  }

  /// Whether an agent is registered: it has a wallet.
  func isRegistered(_ agent: Address) -> Bool { !member(0, of: agent).isZero }

  /// Whether an agent is registered, not slashed, and its last heartbeat not too old.
  func isActive(_ agent: Address, at timestamp: UInt64) -> Bool {
    let status = member(5, of: agent).exactUInt64()
    guard isRegistered(agent), status != UInt64(AgentStatus.slashed.rawValue) else { return false }
    let age = Word(timestamp) - min(member(4, of: agent), Word(timestamp))
    return age <= Word(RegisteredAgent.heartbeatTimeout)
  }
}
