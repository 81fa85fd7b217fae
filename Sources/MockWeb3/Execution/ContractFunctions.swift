import EthereumPrimitives
import PlumiseWire

/// What a function of a native contract does: it reads its arguments, changes the state, and returns
/// its result in ABI form.
typealias ContractFunction =
  @Sendable (_ message: Message, _ arguments: ABIArguments, _ execution: Execution)
  throws(Revert) -> [UInt8]

/// The functions of a native contract, by their selectors.
struct ContractFunctions: Sendable {
  private let bySelector: [[UInt8]: ContractFunction]

  /// - Parameter functions: what each function does, by its signature.
  init(_ functions: [String: ContractFunction]) {
    bySelector = Dictionary(
      uniqueKeysWithValues: functions.map { (ABI.selector($0.key), $0.value) })
  }

  /// Runs the function that a call's input names.
  ///
  /// No function is payable.
  /// - Throws: a revert without a reason when there is no such function, as Solidity does.
  func run(_ message: Message, in execution: Execution) throws(Revert) -> [UInt8] {
    let input = message.input
    guard message.value.isZero, input.count >= 4, let function = bySelector[Array(input[..<4])]
    else { throw .withoutReason }
    return try function(message, ABIArguments(input[4...]), execution)
  }
}

/// The arguments of a contract call, read as Solidity reads them: what is malformed reverts
/// without a reason.
struct ABIArguments {
  private let bytes: ArraySlice<UInt8>

  /// - Parameter bytes: what follows the selector.
  init(_ bytes: ArraySlice<UInt8>) { self.bytes = bytes }

  /// The word at a position of the head.
  func word(_ position: Int) throws(Revert) -> Word {
    try word(atByte: position * 32)
  }

  func address(_ position: Int) throws(Revert) -> Address {
    let bytes = try word(position).bigEndianBytes
    guard bytes.prefix(12).allSatisfy({ $0 == 0 }) else { throw .withoutReason }
    do { return try Address(bytes: bytes.suffix(20)) } catch { throw .withoutReason }
  }

  func bool(_ position: Int) throws(Revert) -> Bool {
    let word = try word(position)
    guard word <= 1 else { throw .withoutReason }
    return !word.isZero
  }

  func hash(_ position: Int) throws(Revert) -> Hash32 { Hash32(word: try word(position)) }

  /// A dynamic string, whose place the word at a position of the head tells.
  ///
  /// Bytes that are not UTF-8 are replaced, since a Swift string cannot hold them.
  func string(_ position: Int) throws(Revert) -> String {
    let start = try offset(word(position))
    let length = try offset(word(atByte: start))
    guard bytes.count - start - 32 >= length else { throw .withoutReason }
    let first = bytes.startIndex + start + 32
    return String(decoding: bytes[first..<(first + length)], as: UTF8.self)
  }

  private func word(atByte offset: Int) throws(Revert) -> Word {
    guard bytes.count >= 32, offset <= bytes.count - 32 else { throw .withoutReason }
    let first = bytes.startIndex + offset
    do { return try Word(bigEndian: bytes[first..<(first + 32)]) } catch { throw .withoutReason }
  }

  private func offset(_ word: Word) throws(Revert) -> Int {
    guard let value = word.exactUInt64(), value <= UInt64(bytes.count) else { throw .withoutReason }
    return Int(value)
  }
}

/// What a contract call returns, in ABI form.
enum ABIResult {
  static func bool(_ value: Bool) -> [UInt8] { ABI.word(value ? 1 : 0 as Word) }

  static func words(_ values: [Word]) -> [UInt8] { values.flatMap(\.bigEndianBytes) }

  /// `address[]`.
  static func addresses(_ values: [Address]) -> [UInt8] {
    words([32, Word(UInt64(values.count))] + values.map(\.word))
  }

  /// A string's length and bytes, filled up to whole words.
  static func string(_ text: String) -> [UInt8] {
    let bytes = Array(text.utf8)
    let padding = [UInt8](repeating: 0, count: (32 - bytes.count % 32) % 32)
    return ABI.word(Word(UInt64(bytes.count))) + bytes + padding
  }
}

extension LogEntry {
  /// An event of one of Plumise's contracts.
  /// - Parameters:
  ///   - contract: who emits it.
  ///   - indexed: the indexed arguments, each a word.
  ///   - data: the other arguments in ABI form.
  static func event(
    _ event: ContractEvent, from contract: Address, indexed: [Word] = [], data: [UInt8] = []
  ) -> LogEntry {
    LogEntry(address: contract, topic: event.topic, indexed: indexed, data: data)
  }

  /// An event of a signature that only the registry knows.
  static func event(
    _ signature: String, from contract: Address, indexed: [Word] = [], data: [UInt8] = []
  ) -> LogEntry {
    LogEntry(
      address: contract, topic: ABI.eventTopic(signature), indexed: indexed, data: data)
  }

  private init(address: Address, topic: Hash32, indexed: [Word], data: [UInt8]) {
    self.init(
      address: address, topics: [topic] + indexed.map { Hash32(word: $0) }, data: data)
  }
}
