public import EthereumPrimitives

/// The input of the precompiled contract 0x21: an agent, its model and what it can do.
public struct AgentRegistration: Hashable, Sendable {
  /// The agent's name; the chain keeps the first 32 bytes of its UTF-8 form.
  public let name: String
  /// keccak256 of the model's name.
  public let modelHash: Hash32
  /// What the agent can do, 32 bytes each.
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
    let words = try InputWords(input)
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
