import EVM
import EthereumPrimitives
import Foundation
import PlumiseWire
import SystemErrors

/// A chain as text, one JSON value a line: the first says which chain, each other is a step, or an
/// array of steps that were taken together.
///
/// A step may say that others are taken back. What was written is never changed by it: the steps
/// before stay where they are, and the chain goes on from an earlier one of them.
enum StateFileFormat {
  /// The forms of the text that are read; the last one is written, and form 3 takes nothing back.
  private static let versions = 3...4
  /// How every text begins.
  private static let opening = Array(#"{"plumiseChain":"#.utf8)

  /// The first line.
  private static func heading(of chain: Chain) -> JSON {
    [
      "plumiseChain": .integer(versions.upperBound), "genesis": .hash(chain.genesis.hash),
      "timestamp": .quantity(chain.genesis.header.timestamp),
      "network": .object(JSONObject(uniqueMembers: network(of: chain.configuration))),
      "claimsSyncFirst": .bool(chain.rules.claimsSyncFirst),
      "metersRewardPool": .bool(chain.rules.metersRewardPool),
    ]
  }

  /// What transactions and blocks are bound to, and the first block's hash does not tell.
  private static func network(of configuration: ChainConfiguration) -> [(String, JSON)] {
    [
      ("chain id", .string("\(configuration.rules.chainID)")),
      ("profile", .string(configuration.rules.profile.rawValue)),
      ("sealer", .string(configuration.sealer?.address.checksummed ?? "none")),
      ("hardfork", .string(configuration.rules.hardfork.rawValue)),
    ]
  }

  /// Compares the network of a heading with a configuration's.
  /// - Throws: `FileError` of code `mismatched`.
  private static func check(_ heading: JSON, _ configuration: ChainConfiguration) throws {
    for (name, expected) in network(of: configuration) {
      // Files of chains that ran no bytecode name no hard fork; London's rules hold there.
      let missing = name == "hardfork" ? Hardfork.london.rawValue : "unknown"
      let actual = heading["network"]?[name]?.stringValue ?? missing
      guard let expected = expected.stringValue, expected != actual else { continue }
      throw FileError.networkMismatch(name, expected: expected, actual: actual)
    }
  }

  /// A chain's text, and where its blocks are in it.
  struct Log {
    var text: [UInt8]
    /// How many steps there are.
    var stepCount = 0
    /// After which step a block is the latest, by the height; only blocks that can be undone.
    var blockSteps: [UInt64: Int] = [0: 0]
  }

  /// The whole text: no step of it is taken back.
  static func log(of chain: Chain) -> Log {
    var log = Log(text: heading(of: chain).serialized() + [0x0a])
    func add(_ event: ChainEvent) {
      log.text += lines([event])
      log.stepCount += 1
    }
    var edits = chain.record.edits[...]
    var parent: Block?
    for block in chain.history.blocks {
      if let parent {
        add(ChainEvent(block, after: parent, rules: chain.rules))
        log.blockSteps[block.number] = log.stepCount
      }
      parent = block
      while let edit = edits.first, edit.height == block.number {
        add(.edit(edit.change))
        edits.removeFirst()
      }
    }
    add(.settings(chain.settings))
    for sent in chain.pool.transactions { add(.waiting(sent.signed.raw)) }
    let oldest = chain.latest.number.subtractingSaturating(BlockHistory.maximumRemovable)
    log.blockSteps = log.blockSteps.filter { $0.key >= oldest }
    return log
  }

  /// The whole text.
  static func text(of chain: Chain) -> [UInt8] { log(of: chain).text }

  /// Steps that are taken together, as one line with its end: a line that was not written to its end
  /// counts for nothing, and so all of them are there or none.
  static func lines(_ events: [ChainEvent]) -> [UInt8] {
    guard events.count != 1 else { return events[0].json.serialized() + [0x0a] }
    var line: [UInt8] = []
    for event in events {
      line.append(UInt8(ascii: line.isEmpty ? "[" : ","))
      line += event.json.serialized()
    }
    return line + [UInt8(ascii: "]"), 0x0a]
  }

  /// Whether a text is no more than the beginning of one: nothing was acknowledged yet.
  static func isBeginning(_ text: [UInt8]) -> Bool {
    !text.contains(0x0a) && (opening.starts(with: text) || text.starts(with: opening))
  }

  /// The chain that a text tells of.
  ///
  /// A last line without an end was being written when the program died: it was not acknowledged,
  /// and is left out.
  /// - Throws: `FileError`.
  static func chain(
    from text: [UInt8], configuration: ChainConfiguration, now: UInt64
  ) throws -> Chain {
    var lines = text.split(separator: 0x0a, omittingEmptySubsequences: false)
    lines.removeLast()
    guard let first = lines.first, let heading = try? JSON.parse(first),
      let version = heading["plumiseChain"]?.integerValue
    else {
      throw text.starts(with: Array("SQLite format 3".utf8))
        ? FileError.databaseAsStateFile : FileError.notAStateFile
    }
    guard let version = Int(exactly: version), versions.contains(version) else {
      throw FileError.unsupportedStateVersion(version, readable: versions)
    }
    guard let genesis = heading["genesis"]?.stringValue,
      let timestamp = heading["timestamp"]?.stringValue,
      let timestamp = try? Quantity.decode(timestamp).exactUInt64()
    else { throw FileError.notAStateFile }
    try check(heading, configuration)
    var configuration = configuration
    configuration.genesisTimestamp = timestamp
    // Blocks of earlier files have to come out as they were.
    configuration.rules.claimsSyncFirst = heading["claimsSyncFirst"] == true
    configuration.rules.metersRewardPool = heading["metersRewardPool"] == true
    var chain = Chain(configuration, now: now)
    guard chain.genesis.hash.hex == genesis else {
      throw FileError.chainMismatch(expected: chain.genesis.hash.hex, actual: genesis)
    }
    for step in try liveSteps(of: lines.dropFirst()) {
      try attributingErrors(toLine: step.line) { try chain.replay(step.event) }
    }
    return chain
  }

  /// The chain that a file's text tells of.
  /// - Throws: `FileError` with the file's path.
  static func chain(
    from text: [UInt8], ofFile file: URL, configuration: ChainConfiguration, now: UInt64
  ) throws -> Chain {
    do {
      return try chain(from: text, configuration: configuration, now: now)
    } catch let error as FileError {
      throw error.ofFile(file.path)
    }
  }

  private struct Step {
    let event: ChainEvent
    /// The line that it is on, from 1.
    let line: Int
    /// The number of the step that it was taken after; 0 for the beginning.
    let before: Int
  }

  /// The steps that lead to where the text ends, without those that were taken back.
  private static func liveSteps(of lines: ArraySlice<ArraySlice<UInt8>>) throws -> [Step] {
    var steps: [Step] = []
    var current = 0
    for (index, line) in zip(lines.indices, lines) {
      try attributingErrors(toLine: index + 1) {
        let value = try JSON.parse(line)
        for event in try (value.arrayValue ?? [value]).map(ChainEvent.init) {
          if case .rolledBack(let step) = event {
            guard (0...steps.count).contains(step) else { throw FileError.missingStateField("to") }
            current = step
          } else {
            steps.append(Step(event: event, line: index + 1, before: current))
            current = steps.count
          }
        }
      }
    }
    var live: [Step] = []
    while current > 0 {
      live.append(steps[current - 1])
      current = steps[current - 1].before
    }
    return live.reversed()
  }

  /// Says on which line something failed.
  private static func attributingErrors(toLine line: Int, _ body: () throws -> Void) throws {
    do {
      try body()
    } catch let error as FileError {
      throw error
    } catch {
      throw FileError.damagedState(line: line, error)
    }
  }
}

extension Chain {
  var genesis: Block { history.genesis }

  /// Takes one step again.
  fileprivate mutating func replay(_ event: ChainEvent) throws {
    switch event {
    case .block(let step):
      let sent = try step.transactions.map { try RecoveredTransaction(raw: $0) }
      let block = try replayBlock(step, of: sent)
      guard block.hash == step.hash else { throw FileError.blockMismatch(height: block.number) }
    case .waiting(let raw):
      restorePending([try RecoveredTransaction(raw: raw)])
    case .dropped(let hash): drop(hash)
    case .edit(let change): edit(change)
    case .settings(let settings): self.settings = settings
    case .emptied: pool = TransactionPool(rules: configuration.poolRules)
    case .rolledBack: preconditionFailure("steps that were taken back are left out")
    }
  }
}

extension RecoveredTransaction {
  fileprivate init(raw: [UInt8]) throws {
    let incoming = try IncomingTransaction(raw: raw)
    let account = incoming.signed.signature.impersonatedAccount
    guard let sender = account ?? incoming.sender else { throw PoolError.invalidSender }
    self.init(signed: incoming.signed, sender: sender)
  }
}
