public import EthereumPrimitives

/// A call to one of Plumise's precompiled contracts.
public enum PrecompileCall: Hashable, Sendable {
  /// 0x20: states an inference, in one of the two layouts that exist.
  case verifyInference(InferenceProof, layout: ProofLayout)
  /// 0x21: registers an agent.
  case registration(AgentRegistration)
  /// 0x22: says that an agent is alive; nil is the sender itself.
  case heartbeat(agent: Address?)
  /// 0x23: pays an agent's reward; nil is the sender itself.
  case claimReward(agent: Address?)

  /// The contracts' addresses.
  public enum Contract: UInt8, CaseIterable, Hashable, Sendable {
    case verifyInference = 0x20
    case agentRegister = 0x21
    case agentHeartbeat = 0x22
    case claimReward = 0x23

    /// The address, zeros and the number.
    public var address: Address { .precompile(rawValue) }

    /// The contract at an address, or nil when none of the four is there.
    public init?(address: Address) {
      guard let contract = Self.allCases.first(where: { $0.address == address }) else {
        return nil
      }
      self = contract
    }
  }

  /// The contract that is called.
  public var contract: Contract {
    switch self {
    case .verifyInference: .verifyInference
    case .registration: .agentRegister
    case .heartbeat: .agentHeartbeat
    case .claimReward: .claimReward
    }
  }

  /// The gas limit that clients set for the call.
  public var gasLimit: UInt64 {
    switch self {
    case .verifyInference: 200_000
    case .registration: 300_000
    case .heartbeat: 100_000
    case .claimReward: 300_000
    }
  }

  /// The call's input.
  public var input: [UInt8] {
    switch self {
    case .verifyInference(let proof, let layout): layout.encode(proof)
    case .registration(let registration): registration.encode()
    case .heartbeat(let agent), .claimReward(let agent): agent.map { ABI.word($0) } ?? []
    }
  }

  /// Reads the input of a call, in whichever layout a proof has.
  ///
  /// - Throws: `PrecompileInputError` when the input's length or content is not the contract's.
  public init(
    to contract: Contract, input: some Collection<UInt8>
  ) throws(PrecompileInputError) {
    let input = Array(input)
    switch contract {
    case .verifyInference:
      let layout = try ProofLayout(guessedFrom: input)
      self = .verifyInference(try layout.decode(input), layout: layout)
    case .agentRegister: self = .registration(try AgentRegistration(input: input))
    case .agentHeartbeat: self = .heartbeat(agent: try Self.sponsored(input))
    case .claimReward: self = .claimReward(agent: try Self.sponsored(input))
    }
  }

  /// No input for the sender, or a word with the agent's address.
  private static func sponsored(_ input: [UInt8]) throws(PrecompileInputError) -> Address? {
    guard !input.isEmpty else { return nil }
    guard input.count == 32 else { throw .wrongLength(expected: "0 or 32", actual: input.count) }
    return try InputWords(input).address(0)
  }
}
