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
      "followsClique": .bool(chain.rules.followsClique),
      "registryIsOwnable": .bool(chain.rules.registryIsOwnable),
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

  /// The steps of a text, and which of them made the blocks.
  struct Places {
    /// How many steps there are.
    private(set) var stepCount = 0
    /// After which step a block is the latest, by the height; only blocks that can be undone.
    private(set) var blockSteps: [UInt64: Int] = [0: 0]

    /// Counts a step.
    /// - Parameter height: of the block that it made; nil when it made none.
    mutating func add(blockAt height: UInt64?) {
      stepCount += 1
      guard let height else { return }
      blockSteps[height] = stepCount
      if height >= BlockHistory.maximumRemovable {
        blockSteps[height - BlockHistory.maximumRemovable] = nil
      }
    }
  }

  /// A chain's text, and the places of its blocks.
  struct Log {
    var text: [UInt8]
    var places = Places()
  }

  /// The whole text: no step of it is taken back.
  static func log(of chain: Chain) -> Log {
    var log = Log(text: heading(of: chain).serialized() + [0x0a])
    func add(_ event: ChainEvent, blockAt height: UInt64? = nil) {
      log.text += lines([event])
      log.places.add(blockAt: height)
    }
    var edits = chain.record.edits[...]
    var parent: Block?
    for block in chain.history.blocks {
      if let parent {
        add(ChainEvent(block, after: parent, rules: chain.rules), blockAt: block.number)
      }
      parent = block
      while let edit = edits.first, edit.height == block.number {
        add(.edit(edit.change))
        edits.removeFirst()
      }
    }
    add(.settings(chain.settings))
    for sent in chain.pool.transactions { add(.waiting(sent.signed.raw)) }
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

  /// What a text tells of.
  struct Reading {
    let chain: Chain
    /// The places of the chain's blocks in the text; nil where the text is not as the chain would be
    /// written: of an earlier form, without its end, or with steps that were taken back.
    let places: Places?
  }

  /// The chain that a text tells of.
  /// - Throws: `FileError`.
  static func chain(
    from text: [UInt8], configuration: ChainConfiguration, now: UInt64
  ) throws -> Chain {
    try reading(of: text, configuration: configuration, now: now).chain
  }

  /// Reads a text.
  ///
  /// A last line without an end was being written when the program died: it was not acknowledged,
  /// and is left out.
  /// - Throws: `FileError`.
  static func reading(
    of text: [UInt8], configuration: ChainConfiguration, now: UInt64
  ) throws -> Reading {
    var lines = text.split(separator: 0x0a, omittingEmptySubsequences: false)
    let hasEnd = lines.popLast()?.isEmpty == true
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
    configuration.rules.followsClique = heading["followsClique"] == true
    configuration.rules.registryIsOwnable = heading["registryIsOwnable"] == true
    var chain = Chain(configuration, now: now)
    guard chain.genesis.hash.hex == genesis else {
      throw FileError.chainMismatch(expected: chain.genesis.hash.hex, actual: genesis)
    }
    let (steps, isWhole) = try liveSteps(of: lines.dropFirst())
    var places = Places()
    var hasSettings = false
    for step in steps {
      try attributingErrors(toLine: step.line) { try chain.replay(step.event) }
      switch step.event {
      case .block: places.add(blockAt: chain.latest.number)
      case .settings:
        hasSettings = true
        places.add(blockAt: nil)
      default: places.add(blockAt: nil)
      }
    }
    let isCurrent = hasEnd && isWhole && hasSettings && version == versions.upperBound
    return Reading(chain: chain, places: isCurrent ? places : nil)
  }

  /// Reads a file's text.
  /// - Throws: `FileError` with the file's path.
  static func reading(
    of text: [UInt8], inFile file: URL, configuration: ChainConfiguration, now: UInt64
  ) throws -> Reading {
    do {
      return try reading(of: text, configuration: configuration, now: now)
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
  /// - Returns: the steps, and whether they are all that the text has.
  private static func liveSteps(
    of lines: ArraySlice<ArraySlice<UInt8>>
  ) throws -> (steps: [Step], isWhole: Bool) {
    var steps: [Step] = []
    var isWhole = true
    var current = 0
    for (index, line) in zip(lines.indices, lines) {
      try attributingErrors(toLine: index + 1) {
        let value = try JSON.parse(line)
        for event in try (value.arrayValue ?? [value]).map(ChainEvent.init) {
          if case .rolledBack(let step) = event {
            guard (0...steps.count).contains(step) else { throw FileError.missingStateField("to") }
            current = step
            isWhole = false
          } else {
            steps.append(Step(event: event, line: index + 1, before: current))
            current = steps.count
          }
        }
      }
    }
    if isWhole { return (steps, true) }
    var live: [Step] = []
    while current > 0 {
      live.append(steps[current - 1])
      current = steps[current - 1].before
    }
    return (live.reversed(), false)
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
