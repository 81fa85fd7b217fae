public import EthereumPrimitives

/// An event that a program emitted (yellow paper, §4.4.1).
public struct LogEntry: Hashable, Sendable {
  /// The program that emitted it.
  public let address: Address
  /// The event's signature hash, then its indexed arguments: four at most.
  public let topics: [Hash32]
  /// The other arguments, ABI-encoded.
  public let data: [UInt8]

  package init(address: Address, topics: [Hash32], data: [UInt8]) {
    precondition(topics.count <= 4, "a log has at most four topics, not \(topics.count)")
    self.address = address
    self.topics = topics
    self.data = data
  }

  func encode(into writer: inout RLPWriter) {
    var topicList = RLPWriter(capacity: 33 * topics.count)
    for topic in topics { topicList.append(topic) }
    var fields = RLPWriter(capacity: data.count + 33 * topics.count + 40)
    fields.append(address)
    fields.append(encoded: topicList.list())
    fields.append(data)
    writer.append(encoded: fields.list())
  }
}
