public import EthereumPrimitives

/// An agent's statement about one inference: digests of model, input and output, and its tokens.
public struct InferenceProof: Hashable, Sendable {
  /// keccak256 of the model's name.
  public let modelHash: Hash32
  /// keccak256 of the prompt.
  public let inputHash: Hash32
  /// keccak256 of the generated text.
  public let outputHash: Hash32
  /// The agent's account.
  public let agent: Address
  /// How many tokens were generated: zero or more.
  public let tokenCount: Int64

  /// A proof of digests that are known; a negative count traps.
  public init(
    modelHash: Hash32, inputHash: Hash32, outputHash: Hash32, agent: Address, tokenCount: Int64
  ) {
    precondition(tokenCount >= 0, "a proof counts zero tokens or more, not \(tokenCount)")
    self.modelHash = modelHash
    self.inputHash = inputHash
    self.outputHash = outputHash
    self.agent = agent
    self.tokenCount = tokenCount
  }

  /// A proof of texts, which are hashed in their UTF-8 form; a negative count traps.
  public init(model: String, input: String, output: String, agent: Address, tokenCount: Int64) {
    self.init(
      modelHash: Keccak256.hash(model), inputHash: Keccak256.hash(input),
      outputHash: Keccak256.hash(output), agent: agent, tokenCount: tokenCount)
  }

  /// keccak256 of the three digests and the agent, left-padded to 32 bytes.
  public var proofHash: Hash32 {
    Keccak256.hash(modelHash.bytes + inputHash.bytes + outputHash.bytes + ABI.word(agent))
  }
}

extension InferenceProof {
  /// The documented form: all that is known.
  public var json: JSON {
    [
      "modelHash": .string(modelHash.hex), "inputHash": .string(inputHash.hex),
      "outputHash": .string(outputHash.hex), "agentAddress": .string(agent.checksummed),
      "tokenCount": .integer(tokenCount), "proofHash": .string(proofHash.hex),
    ]
  }

  /// The form that the deployed oracle accepts: without the agent and the proof hash.
  public var deployedJSON: JSON {
    [
      "modelHash": .string(modelHash.hex), "inputHash": .string(inputHash.hex),
      "outputHash": .string(outputHash.hex), "tokenCount": .integer(tokenCount),
    ]
  }

  /// Reads the documented form.
  ///
  /// - Throws: `InferenceProofError` that names the field which is missing, of the wrong form, or
  ///   (the proof hash) in contradiction to the others.
  public init(json: JSON) throws(InferenceProofError) {
    func hash(_ field: InferenceProofError.Field) throws(InferenceProofError) -> Hash32 {
      guard let text = json[field.rawValue]?.stringValue else { throw .missing(field) }
      do { return try Hash32(text) } catch { throw .malformed(field, "\(error)") }
    }
    guard let agentText = json["agentAddress"]?.stringValue else { throw .missing(.agentAddress) }
    guard let count = json["tokenCount"]?.integerValue else { throw .missing(.tokenCount) }
    guard count >= 0 else { throw .malformed(.tokenCount, "\(count) is below zero") }
    let agent: Address
    do { agent = try Address(agentText) } catch { throw .malformed(.agentAddress, "\(error)") }
    self.init(
      modelHash: try hash(.modelHash), inputHash: try hash(.inputHash),
      outputHash: try hash(.outputHash), agent: agent, tokenCount: count)
    let stated = try hash(.proofHash)
    guard stated == proofHash else {
      throw .wrongProofHash(expected: proofHash, actual: stated)
    }
  }
}

/// Why JSON is no inference proof.
public enum InferenceProofError: Error, Hashable, Sendable, CustomStringConvertible {
  /// A field of a proof.
  public enum Field: String, Hashable, Sendable {
    case modelHash, inputHash, outputHash, agentAddress, tokenCount, proofHash
  }

  /// A field is missing or of the wrong type.
  case missing(Field)
  /// A field has a wrong form; why.
  case malformed(Field, String)
  /// The proof hash is not the digest of the other fields.
  case wrongProofHash(expected: Hash32, actual: Hash32)

  /// One line that says what is wrong.
  public var description: String {
    switch self {
    case .missing(let field): "a proof's \(field.rawValue) is missing or of the wrong type"
    case .malformed(let field, let reason): "a proof's \(field.rawValue): \(reason)"
    case .wrongProofHash(let expected, let actual):
      "a proof's proofHash is \(actual) and should be \(expected)"
    }
  }
}
