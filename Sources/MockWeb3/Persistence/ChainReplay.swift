import EthereumPrimitives
import PlumiseWire

/// A chain as text, one JSON object a line: the first says which chain, each other is a step.
enum ChainReplay {
  /// The form of the text; older ones are refused.
  private static let version = 3

  /// The first line.
  static func heading(of chain: Chain) -> JSON {
    [
      "plumiseChain": .integer(version), "genesis": .hash(chain.genesis.hash),
      "timestamp": .quantity(chain.genesis.header.timestamp),
      "network": .object(JSONObject(uniqueMembers: network(of: chain.configuration))),
    ]
  }

  /// What transactions and blocks are bound to, and the first block's hash does not tell.
  private static func network(of configuration: ChainConfiguration) -> [(String, JSON)] {
    [
      ("chain id", .string("\(configuration.rules.chainID)")),
      ("profile", .string(configuration.rules.profile.rawValue)),
      ("sealer", .string(configuration.sealer?.address.checksummed ?? "none")),
    ]
  }

  /// Compares the network of a heading with a configuration's.
  /// - Throws: ``StateFileError/otherNetwork(_:expected:actual:)``.
  private static func check(_ heading: JSON, _ configuration: ChainConfiguration) throws {
    for (name, expected) in network(of: configuration) {
      let actual = heading["network"]?[name]?.stringValue ?? "unknown"
      guard let expected = expected.stringValue, expected != actual else { continue }
      throw StateFileError.otherNetwork(name, expected: expected, actual: actual)
    }
  }

  /// The whole text.
  static func text(of chain: Chain) -> [UInt8] {
    var text = line(heading(of: chain))
    for event in events(of: chain) { text += line(event.json) }
    return text
  }

  /// The steps that lead to a chain, in an order that does.
  private static func events(of chain: Chain) -> [ChainEvent] {
    var events: [ChainEvent] = []
    var edits = chain.record.edits[...]
    for block in chain.history.blocks {
      if block.number > 0 { events.append(ChainEvent(block)) }
      while let edit = edits.first, edit.height == block.number {
        events.append(.edit(edit.change))
        edits.removeFirst()
      }
    }
    events.append(.settings(chain.settings))
    return events + chain.pool.transactions.map { .waiting($0.signed.raw) }
  }

  private static func line(_ value: JSON) -> [UInt8] { value.serialized() + [0x0a] }

  /// Steps as lines with their ends.
  static func lines(_ events: [ChainEvent]) -> [UInt8] { events.flatMap { line($0.json) } }

  /// The chain that a text tells of.
  ///
  /// A last line without an end was being written when the program died: it was not acknowledged,
  /// and is left out.
  /// - Throws: ``StateFileError``.
  static func chain(
    from text: [UInt8], configuration: ChainConfiguration, now: UInt64
  ) throws -> Chain {
    var lines = text.split(separator: 0x0a, omittingEmptySubsequences: false)
    lines.removeLast()
    guard let first = lines.first, let heading = try? JSON.parse(first),
      heading["plumiseChain"] == .integer(version), let genesis = heading["genesis"]?.stringValue,
      let timestamp = heading["timestamp"]?.stringValue,
      let timestamp = try? Quantity.decode(timestamp).exactUInt64()
    else { throw StateFileError.notAStateFile }
    try check(heading, configuration)
    var configuration = configuration
    configuration.genesisTimestamp = timestamp
    var chain = Chain(configuration, now: now)
    guard chain.genesis.hash.hex == genesis else {
      throw StateFileError.otherChain(expected: chain.genesis.hash.hex, actual: genesis)
    }
    for (index, line) in lines.enumerated().dropFirst() {
      do {
        try chain.replay(ChainEvent(JSON.parse(line)))
      } catch let error as StateFileError {
        throw error
      } catch {
        throw StateFileError.damaged(line: index + 1, reason: "\(error)")
      }
    }
    return chain
  }
}

extension Chain {
  var genesis: Block { history.genesis }

  /// Takes one step again.
  fileprivate mutating func replay(_ event: ChainEvent) throws {
    switch event {
    case .block(let timestamp, let transactions, let forced, let hash):
      let sent = try transactions.map { try SentTransaction(raw: $0) }
      let block = try mineAgain(
        sent, forced: forced.mapValues { Revert(output: $0) }, at: timestamp)
      guard block.hash == hash else { throw StateFileError.otherBlock(height: block.number) }
    case .waiting(let raw):
      wait(for: [try SentTransaction(raw: raw)])
    case .dropped(let hash): drop(hash)
    case .edit(let change): edit(change)
    case .settings(let settings): self.settings = settings
    }
  }
}

extension SentTransaction {
  fileprivate init(raw: [UInt8]) throws {
    let incoming = try IncomingTransaction(raw: raw)
    guard let sender = incoming.sender else { throw PoolError.invalidSender }
    self.init(signed: incoming.signed, sender: sender)
  }
}
