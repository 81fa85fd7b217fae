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

    /// The contract at an address; nil for any other address.
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
    return try PrecompileInput(input).address(0)
  }
}

/// The input of the precompiled contract 0x21: an agent, its model and its capabilities.
public struct AgentRegistration: Hashable, Sendable {
  /// The agent's name; the chain keeps the first 32 bytes of its UTF-8 form.
  public let name: String
  /// keccak256 of the model's name.
  public let modelHash: Hash32
  /// The agent's capabilities, 32 bytes each.
  public let capabilities: [Hash32]
  /// The account that is registered, when it is not the sender: a sponsored registration.
  public let beneficiary: Address?

  /// A registration of its parts.
  public init(
    name: String, modelHash: Hash32, capabilities: [Hash32] = [], beneficiary: Address? = nil
  ) {
    self.name = name
    self.modelHash = modelHash
    self.capabilities = capabilities
    self.beneficiary = beneficiary
  }

  /// A registration with capabilities from elsewhere.
  ///
  /// - Throws: `PrecompileInputError.capabilityLength` for one that is not exactly 32 bytes.
  public init(
    name: String, modelHash: Hash32, rawCapabilities: [[UInt8]], beneficiary: Address? = nil
  ) throws(PrecompileInputError) {
    var capabilities: [Hash32] = []
    for raw in rawCapabilities {
      do { capabilities.append(try Hash32(bytes: raw)) } catch {
        throw .capabilityLength(raw.count)
      }
    }
    self.init(
      name: name, modelHash: modelHash, capabilities: capabilities, beneficiary: beneficiary)
  }

  /// Reads the input of a call.
  ///
  /// The name may be padded with zero bytes on either side, and a character that the cut at 32
  /// bytes has broken is dropped.
  ///
  /// - Throws: `PrecompileInputError` when the length contradicts the count of capabilities.
  public init(input: [UInt8]) throws(PrecompileInputError) {
    guard input.count >= 96 else {
      throw .wrongLength(expected: "96 or more", actual: input.count)
    }
    let words = try PrecompileInput(input)
    let stated = try words.number(2)
    // The stated count can be any number of 256 bits: nothing is computed with it.
    let rest = UInt64(words.count - 3)
    let isSponsored = rest > 0 && stated == Word(rest - 1)
    guard isSponsored || stated == Word(rest) else {
      throw .capabilityCountMismatch(stated: stated, length: input.count)
    }
    let count = Int(isSponsored ? rest - 1 : rest)
    var capabilities: [Hash32] = []
    for index in 0..<count { capabilities.append(try words.hash(3 + index)) }
    self.init(
      name: Self.name(from: words.raw(0)), modelHash: try words.hash(1),
      capabilities: capabilities,
      beneficiary: isSponsored ? try words.address(3 + count) : nil)
  }

  /// The input of the call: name, model hash, count, capabilities and the beneficiary, if any.
  public func encode() -> [UInt8] {
    var input = Array(name.utf8.prefix(32))
    input += [UInt8](repeating: 0, count: 32 - input.count)
    input += modelHash.bytes + ABI.word(Word(UInt64(capabilities.count)))
    for capability in capabilities { input += capability.bytes }
    if let beneficiary { input += ABI.word(beneficiary) }
    return input
  }

  /// The text between the zero bytes, without the rest of a character that was cut.
  private static func name(from word: ArraySlice<UInt8>) -> String {
    var bytes = word.drop { $0 == 0 }
    while bytes.last == 0 { bytes.removeLast() }
    // A cut leaves the first one to three bytes of a character: a start byte that announces more
    // than follow.
    for length in 1...3 where length <= bytes.count {
      let start = bytes[bytes.endIndex - length]
      if start & 0xc0 == 0x80 { continue }
      let announced = start >= 0xf0 ? 4 : start >= 0xe0 ? 3 : start >= 0xc0 ? 2 : 1
      if announced > length { bytes.removeLast(length) }
      break
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}

extension AgentRegistration {
  /// The name under which a node registers: the first 16 code points of the model's last path part,
  /// a hyphen, and the last 8 digits of the address.
  public static func defaultName(model: String, agent: Address) -> String {
    let last = model.utf8.split(separator: UInt8(ascii: "/")).last ?? ""[...].utf8
    let start = String(decoding: last, as: UTF8.self).unicodeScalars.prefix(16)
    return String(start) + "-" + agent.checksummed.suffix(8)
  }
}

/// The order of the five words in the input of the precompiled contract 0x20.
///
/// Nodes and oracle put the agent fourth, the contracts' own tests put it first; both are in use.
public enum ProofLayout: String, CaseIterable, Hashable, Sendable {
  /// Model, input, output, agent, tokens: the nodes and the oracle.
  case modelFirst
  /// Agent, model, input, output, tokens: the contracts' own tests.
  case agentFirst

  /// The length of the input, in bytes.
  public static let inputLength = 160

  /// The layout of an input: agent first when only the first word can be an address.
  ///
  /// A digest begins with the 12 zero bytes of an address once in 2⁹⁶ times.
  ///
  /// - Throws: `PrecompileInputError.wrongLength` unless there are 160 bytes.
  public init(guessedFrom input: [UInt8]) throws(PrecompileInputError) {
    let words = try Self.words(input)
    self = words.looksLikeAddress(0) && !words.looksLikeAddress(3) ? .agentFirst : .modelFirst
  }

  /// The input that states a proof.
  public func encode(_ proof: InferenceProof) -> [UInt8] {
    let hashes = proof.modelHash.bytes + proof.inputHash.bytes + proof.outputHash.bytes
    let agent = ABI.word(proof.agent)
    let tokens = ABI.word(Word(UInt64(proof.tokenCount)))
    return switch self {
    case .modelFirst: hashes + agent + tokens
    case .agentFirst: agent + hashes + tokens
    }
  }

  /// Reads a proof from an input of this layout.
  ///
  /// - Throws: `PrecompileInputError` when the length is not 160, the agent's word is no address or
  ///   the tokens do not fit 63 bits.
  public func decode(_ input: [UInt8]) throws(PrecompileInputError) -> InferenceProof {
    let words = try Self.words(input)
    let (hashes, agent) = self == .modelFirst ? (0, 3) : (1, 0)
    let tokens = try words.number(4)
    guard let count = tokens.exactUInt64().flatMap(Int64.init(exactly:)) else {
      throw .tokenCountTooLarge(tokens)
    }
    return InferenceProof(
      modelHash: try words.hash(hashes), inputHash: try words.hash(hashes + 1),
      outputHash: try words.hash(hashes + 2), agent: try words.address(agent), tokenCount: count)
  }

  private static func words(_ input: [UInt8]) throws(PrecompileInputError) -> PrecompileInput {
    guard input.count == inputLength else {
      throw .wrongLength(expected: "\(inputLength)", actual: input.count)
    }
    return try PrecompileInput(input)
  }
}

/// The input of a precompiled contract, in words of 32 bytes.
struct PrecompileInput {
  private let bytes: [UInt8]

  /// An input of whole words.
  init(_ bytes: [UInt8]) throws(PrecompileInputError) {
    guard bytes.count.isMultiple(of: 32) else {
      throw .wrongLength(expected: "a multiple of 32", actual: bytes.count)
    }
    self.bytes = bytes
  }

  var count: Int { bytes.count / 32 }

  func raw(_ index: Int) -> ArraySlice<UInt8> { bytes[(index * 32)..<(index * 32 + 32)] }

  func hash(_ index: Int) throws(PrecompileInputError) -> Hash32 {
    do { return try Hash32(bytes: raw(index)) } catch {
      throw .wrongLength(expected: "32 a word", actual: raw(index).count)
    }
  }

  func number(_ index: Int) throws(PrecompileInputError) -> Word { try hash(index).word }

  func looksLikeAddress(_ index: Int) -> Bool { raw(index).prefix(12).allSatisfy { $0 == 0 } }

  func address(_ index: Int) throws(PrecompileInputError) -> Address {
    guard looksLikeAddress(index) else { throw .notAnAddress(word: index) }
    do { return try Address(bytes: raw(index).dropFirst(12)) } catch {
      throw .notAnAddress(word: index)
    }
  }
}

/// Why bytes are not the input of a precompiled contract.
public enum PrecompileInputError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The contract does not accept this length in bytes.
  case wrongLength(expected: String, actual: Int)
  /// The stated count of capabilities does not fit the length, in bytes.
  case capabilityCountMismatch(stated: Word, length: Int)
  /// A capability has another length, in bytes.
  case capabilityLength(Int)
  /// The word at this place is no left-padded address.
  case notAnAddress(word: Int)
  /// The count of tokens does not fit 63 bits.
  case tokenCountTooLarge(Word)

  /// One line that says what is wrong.
  public var description: String {
    switch self {
    case .wrongLength(let expected, let actual):
      "invalid input length: \(actual) bytes, expected \(expected)"
    case .capabilityCountMismatch(let stated, let length):
      "capability count \(stated) does not match the input's \(length) bytes"
    case .capabilityLength(let count):
      "a capability must be exactly 32 bytes, not \(count)"
    case .notAnAddress(let word): "word \(word) of the input is not an address"
    case .tokenCountTooLarge(let count): "token count \(count) is too large"
    }
  }
}
