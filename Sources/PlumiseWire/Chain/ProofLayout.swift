import EthereumPrimitives

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

  private static func words(_ input: [UInt8]) throws(PrecompileInputError) -> InputWords {
    guard input.count == inputLength else {
      throw .wrongLength(expected: "\(inputLength)", actual: input.count)
    }
    return try InputWords(input)
  }
}
