import EthereumPrimitives
import PlumiseWire

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
