import EthereumPrimitives

/// The storage of AgentRegistry, where the contract's source puts it (plumise-contracts,
/// `src/AgentRegistry.sol`): slot 0 is the owner, slot 1 the mapping of the agents, each of which
/// takes seven slots, slot 2 the list of their addresses.
enum AgentRegistrySlots {
  static let owner: Word = 0
  private static let agents: Word = 1
  private static let list: Word = 2
  /// How many slots an agent takes.
  static let perAgent = 7
  /// Where the text is among them.
  private static let metadata: Word = 2

  /// The first slot of an agent.
  static func first(of agent: Address) -> Word { StorageSlot.value(of: agent.word, in: agents) }

  /// The value of a slot of the native registry; 0 for a slot that nothing is kept in.
  static func value(ofSlot number: Word, in ledger: AgentLedger, owner: Address) -> Word {
    let order = ledger.order
    if number == Self.owner { return owner.word }
    if number == list { return Word(UInt64(order.count)) }
    if let index = offset(of: number, from: StorageSlot.elements(of: list)), index < order.count {
      return order[index].word
    }
    for agent in order {
      guard let record = ledger[agent] else { continue }
      let first = first(of: agent)
      if let index = offset(of: number, from: first), index < perAgent {
        return value(of: record, at: index)
      }
      let text = Array(record.metadata.utf8)
      if text.count > 31,
        let index = offset(of: number, from: StorageSlot.elements(of: first &+ metadata)),
        index < (text.count + 31) / 32
      {
        return word(text[(index * 32)..<min(index * 32 + 32, text.count)])
      }
    }
    return .zero
  }

  private static func value(of record: RegisteredAgent, at index: Int) -> Word {
    switch index {
    case 0: return record.wallet.word
    case 1: return record.nodeID.word
    case 2:
      // A short text with twice its length in the last byte, or of a long one twice its length and 1.
      let text = Array(record.metadata.utf8)
      guard text.count <= 31 else { return Word(UInt64(2 * text.count + 1)) }
      return word(text[...]) | Word(UInt64(2 * text.count))
    case 3: return Word(record.registeredAt)
    case 4: return Word(record.lastHeartbeat)
    case 5: return Word(UInt64(record.status.rawValue))
    default: return record.stake
    }
  }

  /// Bytes at the beginning of a word.
  private static func word(_ bytes: ArraySlice<UInt8>) -> Word {
    (0..<32).reduce(Word.zero) { word, index in
      let byte = index < bytes.count ? bytes[bytes.startIndex + index] : 0
      return word << 8 | Word(UInt64(byte))
    }
  }

  private static func offset(of number: Word, from first: Word) -> Int? {
    (number &- first).exactUInt64().flatMap { Int(exactly: $0) }
  }
}
