import EthereumPrimitives
import PlumiseWire

/// A chain as text, one JSON object a line: the first says which chain, each other is a step.
enum ChainReplay {
  /// The first line.
  static func heading(of chain: Chain) -> JSON {
    [
      "plumiseChain": 1, "genesis": .hash(chain.genesis.hash),
      "timestamp": .quantity(chain.genesis.header.timestamp),
    ]
  }

  /// The whole text.
  static func text(of chain: Chain) -> [UInt8] {
    lines([heading(of: chain)] + chain.record.events.map(\.json))
  }

  /// Lines with their ends.
  static func lines(_ values: [JSON]) -> [UInt8] {
    values.flatMap { $0.serialized() + [0x0a] }
  }

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
      heading["plumiseChain"] == 1, let genesis = heading["genesis"]?.stringValue,
      let timestamp = heading["timestamp"]?.stringValue,
      let timestamp = try? Quantity.decode(timestamp).exactUInt64()
    else { throw StateFileError.notAStateFile }
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
  var genesis: Block { history.blocks[0] }

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
    case .balance(let address, let balance): setBalance(of: address, to: balance)
    case .nonce(let address, let nonce): setNonce(of: address, to: nonce)
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
