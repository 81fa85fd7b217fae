import ArgumentParser

/// What an option takes: how its text is read, and in which limits the value lies.
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

  /// An option that need not be given; a value that is lies within the limits.
  init<Limits: OptionLimits>(
    within limits: Limits, name: NameSpecification = .long, help: String
  ) where Value == Limits.Value? {
    self.init(
      name: name, parsing: .unconditional, help: limits.help(help, default: nil),
      transform: { try limits.read($0) })
  }
}
