import EthereumPrimitives

/// The gas of AgentRegistry's functions, as the contract's bytecode uses it by London's rules when it is
/// all that a transaction calls: its slots are cold, but for the owner's, which may be warm.
///
/// The figures are measured on that bytecode (MainnetContract); RegistryBytecodeTests compares the gas of
/// its random calls. An agent that precompile 0x21 registered has empty slots that they do not consider.
enum AgentRegistryGas {
  /// What a slot costs more that was empty before it is written.
  private static let newSlot: UInt64 = 17_100
  /// What a slot costs less that keeps its value.
  private static let sameValue: UInt64 = 2_800
  /// What comes back for a slot that is cleared (EIP-3529).
  private static let clearedSlot: Int64 = 4_800
  /// What a word of a text costs, new in storage.
  private static let newWord: UInt64 = 22_534
  /// What the last word costs more when the text does not fill it.
  private static let partialWord: UInt64 = 59

  /// A text as Solidity stores it: up to 31 bytes in one slot, else the length there and the words in
  /// slots of their own.
  struct StoredText {
    private let bytes: [UInt8]

    init(_ text: String) { bytes = Array(text.utf8) }

    var isEmpty: Bool { bytes.isEmpty }
    /// How many words the text takes in memory.
    var wordCount: Int { (bytes.count + 31) / 32 }
    /// The words that have slots of their own.
    var words: [ArraySlice<UInt8>] {
      guard bytes.count > 31 else { return [] }
      return stride(from: 0, to: bytes.count, by: 32).map {
        bytes[$0..<min($0 + 32, bytes.count)]
      }
    }
    /// Whether the last word is not filled.
    var isPartial: Bool { !bytes.count.isMultiple(of: 32) }

    /// Whether the first slot has the same value as another text's.
    func hasSameFirstSlot(as other: StoredText) -> Bool {
      bytes.count > 31 ? bytes.count == other.bytes.count : bytes == other.bytes
    }
  }

  /// - Parameter isFirst: whether no agent is registered.
  static func registration(_ metadata: StoredText, isFirst: Bool) -> UInt64 {
    let first = isFirst ? newSlot : 0
    let words = UInt64(metadata.words.count)
    guard words > 0 else { return first + (metadata.isEmpty ? 127_338 : 147_595) }
    return first + 147_196 + newWord * words + (metadata.isPartial ? partialWord : 0)
      + memory(15 + 2 * words)
  }

  static func refusedRegistration(_ metadata: StoredText, isRegistered: Bool) -> UInt64 {
    (isRegistered ? 3_697 : 3_708) + 6 * UInt64(metadata.wordCount)
  }

  /// - Parameter isSameTime: whether the last heartbeat was in the same block.
  static func heartbeat(isSameTime: Bool) -> UInt64 { isSameTime ? 8_665 : 8_665 + sameValue }

  static let refusedHeartbeat: UInt64 = 2_767

  static func update(from old: StoredText, to new: StoredText) -> (gas: UInt64, refund: Int64) {
    let (before, after) = (old.words, new.words)
    var gas: UInt64
    if after.isEmpty {
      gas = new.isEmpty ? 11_084 : 11_441
    } else {
      gas = 33_576 + newWord * UInt64(after.count - 1) + (new.isPartial ? partialWord : 0)
      gas += memory(8 + 2 * UInt64(after.count))
    }
    if new.hasSameFirstSlot(as: old) {
      gas -= sameValue
    } else if old.isEmpty {
      gas += newSlot
    }
    var refund = new.isEmpty && !old.isEmpty ? clearedSlot : 0
    guard !before.isEmpty else { return (gas, refund) }
    let cleared = max(0, before.count - after.count)
    gas += (after.isEmpty ? 316 : 308) + 5_598 * UInt64(cleared)
    refund += clearedSlot * Int64(cleared)
    for (old, new) in zip(before, after) { gas -= newSlot + (old == new ? sameValue : 0) }
    return (gas, refund)
  }

  static func refusedUpdate(_ metadata: StoredText) -> UInt64 {
    3_574 + 6 * UInt64(metadata.wordCount)
  }

  /// - Parameters:
  ///   - position: the agent's in the list of all agents.
  ///   - count: how many agents there are.
  static func deregistration(
    _ metadata: StoredText, isSlashed: Bool, position: Int, of count: Int
  ) -> (gas: UInt64, refund: Int64) {
    let words = metadata.words.count
    var gas: UInt64 = position == count - 1 ? 43_687 : 48_487
    gas += 2_634 * UInt64(position)
    if metadata.isEmpty { gas -= sameValue }
    if words > 0 { gas += 116 + 5_057 * UInt64(words) }
    if isSlashed { gas += sameValue }
    // Wallet, node, the two times and the place in the list; then what not every agent has.
    var slots = 5 + words
    for isCleared in [!metadata.isEmpty, isSlashed, count == 1] where isCleared { slots += 1 }
    return (gas, clearedSlot * Int64(slots))
  }

  static let refusedDeregistration: UInt64 = 2_766

  // Of the functions that ask for the owner: without the first access to the owner's slot.

  static func slash(isSlashed: Bool) -> UInt64 { isSlashed ? 9_352 : 29_252 }

  static let slashOfUnknownAgent: UInt64 = 3_262
  static let slashByStranger: UInt64 = 970

  static let owner: UInt64 = 489

  /// What a transfer uses besides the write of the slot; the event is part of it.
  static let transfer: UInt64 = 2_610
  static let transferToNobody: UInt64 = 957
  static let transferByStranger: UInt64 = 947

  /// What `transferOwnership` uses before it refuses arguments that are no address.
  static func malformedTransfer(_ message: Message) -> UInt64 {
    message.input.count < 36 ? 285 : 447
  }

  /// What a renunciation uses besides the write of the slot; the event is part of it.
  static let renunciation: UInt64 = 2_288
  static let renunciationByStranger: UInt64 = 662

  /// What a call costs that names no function; about what those cost whose arguments cannot be read.
  ///
  /// Reads cost no more either, but for `owner()`: a transaction has no use for them.
  static func noFunction(_ message: Message) -> UInt64 {
    guard message.value.isZero else { return 45 }
    return message.input.count < 4 ? 70 : 216
  }

  /// The part of the memory's price that grows with the square of its words.
  private static func memory(_ words: UInt64) -> UInt64 { words * words / 512 }
}
