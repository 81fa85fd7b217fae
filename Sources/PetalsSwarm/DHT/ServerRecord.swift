import Bloom

/// What a server of blocks says of itself in the hash table (Petals' `ServerInfo`).
package struct ServerRecord: Hashable, Sendable {
  /// Whether it serves.
  ///
  /// The set is open, as it is on the wire.
  package struct State: RawRepresentable, Hashable, Sendable {
    package let rawValue: Int

    package init(rawValue: Int) { self.rawValue = rawValue }

    package static let offline = Self(rawValue: 0)
    package static let joining = Self(rawValue: 1)
    package static let online = Self(rawValue: 2)
  }

  /// Whether it serves.
  package var state: State
  /// Tokens a second, as Petals counts them.
  package var throughput: Double
  /// Its blocks.
  package var blocks: Range<Int>
  /// A name for people.
  package var publicName: String?
  /// The version of its program.
  package var version: String?
  /// Tokens a second that its network takes.
  package var networkRPS: Double?
  /// Tokens a second through one block without a cache.
  package var forwardRPS: Double?
  /// Tokens a second through one block in a session.
  package var inferenceRPS: Double?
  /// The element type it computes in.
  package var dtype: String?
  /// Tokens for which it has cache memory left.
  package var cacheTokensLeft: Int?
  /// Seconds to servers of the blocks behind its own.
  package var nextPings: [PeerID: Double] = [:]
  /// The fingerprint of its model; Petals' servers give none.
  package var fingerprint: String?

  /// A record by its main parts.
  package init(state: State, throughput: Double, blocks: Range<Int>) {
    self.state = state
    self.throughput = throughput
    self.blocks = blocks
  }

  /// Whether it may serve these weights: it does not say that it serves others.
  func isOf(_ fingerprint: String?) -> Bool {
    fingerprint == nil || self.fingerprint == nil || fingerprint == self.fingerprint
  }

  /// The value for a message.
  package var message: MessagePackValue {
    func real(_ number: Double?) -> MessagePackValue { number.map { .double($0) } ?? .null }
    func text(_ text: String?) -> MessagePackValue { text.map { .string($0) } ?? .null }
    var pings: [MessagePackValue.Entry] = []
    for (peer, seconds) in nextPings.sorted(by: { $0.key.description < $1.key.description }) {
      pings.append(.init(.string(peer.description), .double(seconds)))
    }
    var fields: [MessagePackValue.Entry] = [
      .init(.string("start_block"), .int(Int64(blocks.lowerBound))),
      .init(.string("end_block"), .int(Int64(blocks.upperBound))),
      .init(.string("public_name"), text(publicName)), .init(.string("version"), text(version)),
      .init(.string("network_rps"), real(networkRPS)),
      .init(.string("forward_rps"), real(forwardRPS)),
      .init(.string("inference_rps"), real(inferenceRPS)), .init(.string("adapters"), .tuple([])),
      .init(.string("torch_dtype"), text(dtype)), .init(.string("quant_type"), .string("none")),
      .init(.string("using_relay"), .bool(false)),
      .init(.string("cache_tokens_left"), cacheTokensLeft.map { .int(Int64($0)) } ?? .null),
      .init(.string("next_pings"), pings.isEmpty ? .null : MessagePackValue.map(pings)),
    ]
    // Petals ignores fields that it has no name for.
    if let fingerprint { fields.append(.init(.string("fingerprint"), .string(fingerprint))) }
    return .tuple([.int(Int64(state.rawValue)), .double(throughput), .map(fields)])
  }

  /// Reads a record.
  ///
  /// - Throws: ``SwarmMessageError`` for what is none, and for blocks that no model has.
  package init(_ message: MessagePackValue) throws(SwarmMessageError) {
    let what = "a server's record"
    guard let parts = message.elements, parts.count >= 2, let state = parts[0].integer,
      let throughput = parts[1].number, throughput >= 0
    else { throw SwarmMessageError(what, "a state and a throughput are expected") }
    let fields = parts.count > 2 ? parts[2] : .null
    guard let start = fields["start_block"]?.integer, let end = fields["end_block"]?.integer,
      start >= 0, start < end, end <= SwarmModel.greatestBlockCount
    else { throw SwarmMessageError(what, "its blocks are missing, or no range") }
    // A token may take from a picosecond to a million seconds: times are made of these numbers.
    func rate(_ name: String) -> Double? {
      fields[name]?.number.flatMap { (1e-6...1e12).contains($0) ? $0 : nil }
    }
    self.init(state: State(rawValue: state), throughput: throughput, blocks: start..<end)
    publicName = fields["public_name"]?.text
    version = fields["version"]?.text
    networkRPS = rate("network_rps")
    forwardRPS = rate("forward_rps")
    inferenceRPS = rate("inference_rps")
    dtype = fields["torch_dtype"]?.text
    cacheTokensLeft = fields["cache_tokens_left"]?.integer
    fingerprint = fields["fingerprint"]?.text
    if case .map(let pings) = fields["next_pings"] {
      for ping in pings {
        guard let name = ping.key.text, let peer = try? PeerID(parsing: name),
          let seconds = ping.value.number, seconds >= 0
        else { continue }
        nextPings[peer] = seconds
      }
    }
  }
}

/// A model as a swarm knows it.
public struct SwarmModel: Hashable, Sendable {
  /// More blocks than any model has.
  package static let greatestBlockCount = 10_000

  /// What its blocks' names begin with.
  public let prefix: String
  /// Its blocks.
  public let blockCount: Int

  /// A model by its prefix.
  ///
  /// - Throws: ``SwarmMessageError`` for a prefix with a space or a dot, which part the names of blocks.
  public init(prefix: String, blockCount: Int) throws(SwarmMessageError) {
    guard !prefix.isEmpty, !prefix.contains(where: { $0 == "." || $0.isWhitespace }) else {
      throw SwarmMessageError(
        "the prefix \"\(prefix)\"", "a prefix is not empty and has neither dots nor spaces")
    }
    guard (1...Self.greatestBlockCount).contains(blockCount) else {
      throw SwarmMessageError("a model", "it has \(blockCount) blocks")
    }
    self.prefix = prefix
    self.blockCount = blockCount
  }

  /// The prefix that Petals gives a BLOOM of this name: `bigscience/bloom-petals`, dots as hyphens.
  public static func defaultPrefix(_ name: String) -> String {
    "\(name)-petals".map { $0 == "." || $0.isWhitespace ? "-" : String($0) }.joined()
  }

  /// The name of a block: `prefix.3`.
  func uid(_ block: Int) -> String { "\(prefix).\(block)" }

  /// The names of blocks, with spaces between them, as requests have them.
  func uids(_ blocks: Range<Int>) -> String { blocks.map(uid).joined(separator: " ") }

  /// The place of a block's record.
  func key(_ block: Int) -> DHTID { DHTID(of: .string(uid(block))) }

  /// Reads the names of blocks that follow one another.
  ///
  /// - Throws: ``SwarmMessageError`` for names of another model, or with a gap.
  func blocks(uids: String) throws(SwarmMessageError) -> Range<Int> {
    var range: Range<Int>?
    for uid in uids.split(separator: " ", omittingEmptySubsequences: false) {
      let parts = uid.split(separator: ".", omittingEmptySubsequences: false)
      guard parts.count == 2, parts[0] == prefix, let block = Int(parts[1]),
        (0..<blockCount).contains(block)
      else {
        throw SwarmMessageError(
          "the block \"\(uid.prefix(64))\"", "this node serves \(prefix).0 to .\(blockCount - 1)")
      }
      guard range == nil || range?.upperBound == block else {
        throw SwarmMessageError("the blocks", "\(uid.prefix(64)) does not follow the one before it")
      }
      range = (range?.lowerBound ?? block)..<block + 1
    }
    return range ?? 0..<0
  }
}
