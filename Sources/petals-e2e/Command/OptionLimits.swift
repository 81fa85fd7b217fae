public import ArgumentParser
public import Bloom
public import EVM
public import MockOracle
public import MockWeb3
public import PetalsNode
public import PlumiseWire

/// The values that an option takes: how its text is parsed, and the limits of the value.
///
/// An option that is declared with it (`@Option(within: .port, …)`) cannot hold anything else: what
/// the text does not give is refused with the option's name and these limits, which its help names
/// too.
package protocol OptionLimits: Sendable {
  associatedtype Value: Sendable

  /// What the value is, with its limits: `a port is a whole number from 0 to 65535`.
  var expectation: String { get }
  /// The limits alone, for the option's help; empty when the help says enough.
  var limits: String { get }

  /// The value that a text spells; nil when it spells none, or one outside the limits.
  func value(_ text: String) -> Value?
  /// How a value is spelt, for the option's help.
  func spelling(_ value: Value) -> String
}

extension OptionLimits {
  package func spelling(_ value: Value) -> String { "\(value)" }

  /// - Throws: `ValidationError` that says what is expected.
  fileprivate func read(_ text: String) throws -> Value {
    guard let value = value(text) else { throw ValidationError(expectation) }
    return value
  }

  /// The help with what is known of limits and default behind it.
  fileprivate func help(_ text: String, default value: Value?) -> ArgumentHelp {
    let notes = [limits, value.map { "\(spelling($0)) when not said" } ?? ""].filter { !$0.isEmpty }
    guard !notes.isEmpty else { return ArgumentHelp(text) }
    // Behind the sentence, but before its full stop.
    let sentence = text.hasSuffix(".") ? String(text.dropLast()) : text
    return ArgumentHelp("\(sentence) (\(notes.joined(separator: "; "))).")
  }
}

extension Option {
  /// An option with a default; the value lies within the limits.
  init<Limits: OptionLimits>(
    wrappedValue: Value, within limits: Limits, name: NameSpecification = .long, help: String
  ) where Limits.Value == Value {
    // A negative number begins like an option, and is refused as the number that it is.
    self.init(
      wrappedValue: wrappedValue, name: name, parsing: .unconditional,
      help: limits.help(help, default: wrappedValue), transform: { try limits.read($0) })
  }

  /// An option that must be given; the value lies within the limits.
  init<Limits: OptionLimits>(
    within limits: Limits, name: NameSpecification = .long, help: String
  ) where Limits.Value == Value {
    self.init(
      name: name, parsing: .unconditional, help: limits.help(help, default: nil),
      transform: { try limits.read($0) })
  }

  /// An option that may be repeated; each value lies within the limits.
  init<Limits: OptionLimits>(
    wrappedValue: Value, within limits: Limits, name: NameSpecification = .long, help: String
  ) where Value == [Limits.Value] {
    self.init(
      wrappedValue: wrappedValue, name: name, parsing: .unconditionalSingleValue,
      help: limits.help(help, default: nil), transform: { try limits.read($0) })
  }

  /// An option that need not be given; a value that is lies within the limits.
  init<Limits: OptionLimits>(
    within limits: Limits, name: NameSpecification = .long, help: String
  ) where Value == Limits.Value? {
    self.init(
      name: name, parsing: .unconditional, help: limits.help(help, default: nil),
      transform: { try limits.read($0) })
  }
}

/// Whole numbers from a least to a greatest.
package struct WholeNumbers<Value: FixedWidthInteger & Sendable>: OptionLimits {
  private let name: String
  private let range: ClosedRange<Value>

  /// - Parameter name: what such a number is, `a port`.
  package init(_ name: String, _ range: ClosedRange<Value>) {
    self.name = name
    self.range = range
  }

  package var limits: String { "from \(range.lowerBound) to \(range.upperBound)" }
  package var expectation: String { "\(name) is a whole number \(limits)" }

  package func value(_ text: String) -> Value? {
    Value(text).flatMap { range.contains($0) ? $0 : nil }
  }
}

/// Numbers with a fraction if need be, from a least (or only above it) to a greatest.
package struct RealNumbers<Value: BinaryFloatingPoint & LosslessStringConvertible & Sendable>:
  OptionLimits
{
  private let name: String
  private let range: ClosedRange<Value>
  private let takesLeast: Bool

  /// - Parameter name: what such a number is, `a rate`.
  package init(_ name: String, _ range: ClosedRange<Value>) {
    (self.name, self.range, takesLeast) = (name, range, true)
  }

  /// - Parameter name: what such a number is, `a rate`.
  package init(_ name: String, above bound: Value, upTo most: Value) {
    (self.name, range, takesLeast) = (name, bound...most, false)
  }

  package var limits: String {
    let (least, most) = (spelling(range.lowerBound), spelling(range.upperBound))
    return takesLeast ? "from \(least) to \(most)" : "above \(least), up to \(most)"
  }
  package var expectation: String { "\(name) is a number \(limits)" }

  package func value(_ text: String) -> Value? {
    // No number, NaN, is in no range.
    guard let value = Value(text), range.contains(value) else { return nil }
    return takesLeast || value > range.lowerBound ? value : nil
  }

  package func spelling(_ value: Value) -> String { value.shortSpelling }
}

/// A time on the command line: its limits lie far within those of a `Duration`.
package struct Seconds: Hashable, Sendable, CustomStringConvertible {
  /// A year: whatever is waited for, nobody waits longer.
  fileprivate static let most = 31_536_000.0

  package let value: Double

  /// 0 to a year.
  fileprivate init(_ value: Double) { self.value = value }

  /// So many seconds, at most 31 536 000; for defaults.
  init(whole value: UInt32) { self.value = min(Double(value), Self.most) }

  package var duration: Duration { .seconds(value) }

  /// As the command line spells it.
  package var description: String { value.shortSpelling }
}

/// Times in seconds, with a fraction if need be, up to a year.
package struct Times: OptionLimits {
  private let name: String
  private let least: Double
  private let takesZero: Bool

  /// - Parameters:
  ///   - name: what such a time is, `a duration`.
  ///   - least: the shortest time besides zero.
  ///   - takesZero: whether no time at all is taken, too.
  package init(_ name: String, from least: Double, orZero takesZero: Bool = false) {
    self.name = name
    self.least = least
    self.takesZero = takesZero
  }

  package var limits: String {
    "\(takesZero ? "0, or " : "")from \(least.shortSpelling) to \(Seconds.most.shortSpelling)"
  }
  package var expectation: String {
    "\(name) is \(takesZero ? "0, or " : "")a number of seconds from \(least.shortSpelling) to "
      + Seconds.most.shortSpelling
  }

  package func value(_ text: String) -> Seconds? {
    guard let value = Double(text) else { return nil }
    if takesZero && value == 0 { return Seconds(0) }
    return (least...Seconds.most).contains(value) ? Seconds(value) : nil
  }
}

extension BinaryFloatingPoint where Self: LosslessStringConvertible {
  /// Without a point where there is nothing behind it: `100`, `0.001`.
  fileprivate var shortSpelling: String {
    let text = description
    return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
  }
}

// The limits of the command's options, where more than one has them or a reason is to be told.

extension OptionLimits where Self == WholeNumbers<Int> {
  /// A port to listen on; 0 for any free one.
  static var port: Self { WholeNumbers("a port", 0...65_535) }

  /// How many tokens are generated; a token's position is 32 bits wide in every message.
  static var maxNewTokens: Self { WholeNumbers("a number of new tokens", 1...Int(Int32.max)) }
}

extension OptionLimits where Self == WholeNumbers<Int64> {
  /// A machine's memory in megabytes.
  static var ram: Self { WholeNumbers("a memory", 1...100_000_000) }
}

extension OptionLimits where Self == WholeNumbers<UInt64> {
  /// Where chance begins: any 64 bits.
  static var seed: Self { WholeNumbers("a seed", 0...UInt64.max) }

  /// A chain's id, as large as a signature's 2 · id + 36 fits 64 bits (EIP-2294).
  static var chainID: Self { WholeNumbers("a chain id", 1...(UInt64.max / 2 - 36)) }

  /// A block's height, as far as go-ethereum reads one.
  static var blockNumber: Self { WholeNumbers("a block number", 0...UInt64(Int64.max)) }
}

extension OptionLimits where Self == Times {
  /// Any time, and none.
  static var time: Self { Times("a time", from: 0.001, orZero: true) }

  /// A time that passes.
  static var positiveTime: Self { Times("a time", from: 0.001) }

  /// From report to report: their timestamps have whole seconds, and each is above the last one's;
  /// an oracle refuses those that run ahead of the clock.
  static var reportInterval: Self { Times("the time from report to report", from: 1) }

  /// From heartbeat to heartbeat: each is a transaction.
  static var heartbeatInterval: Self { Times("the time from heartbeat to heartbeat", from: 1) }

  /// From one reading of a topology to the next.
  static var topologyInterval: Self { Times("the time from topology to topology", from: 0.1) }

  /// How long a node may be silent: it needs time to answer.
  static var peerSilence: Self { Times("a node's silence", from: 0.1) }
}

// The libraries' closed vocabularies, as the command line spells them.

extension AgentProfile: ExpressibleByArgument {}
extension CacheType: ExpressibleByArgument {}
extension ChainProfile: ExpressibleByArgument {}
extension Hardfork: ExpressibleByArgument {}
extension OracleProfile: ExpressibleByArgument {}
extension PipelineTensorFormat: ExpressibleByArgument {}
extension ReportDialect: ExpressibleByArgument {}
extension SyntheticShape: ExpressibleByArgument {}
