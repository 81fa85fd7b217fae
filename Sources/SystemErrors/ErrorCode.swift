/// A kind of failure by its name, out of an open set: later versions, and other modules, may have
/// further ones.
///
/// A type of codes declares the ones it knows as static constants.
public protocol ErrorCode: RawRepresentable<String>, Hashable, Sendable, CustomStringConvertible {
  /// Makes a code from its name.
  init(rawValue: String)
}

extension ErrorCode {
  /// The code's name.
  public var description: String { rawValue }
}

/// The error that caused another one.
///
/// Two errors that differ only in their causes are equal, since most errors cannot be compared. Causes
/// of the type `Compared` are: use `Never` to compare none.
@propertyWrapper
public struct ErrorCause<Compared: Error & Hashable>: Hashable, Sendable {
  /// The error, or nil.
  public var wrappedValue: (any Error)?

  /// Wraps an error.
  public init(wrappedValue: (any Error)?) { self.wrappedValue = wrappedValue }

  private var compared: Compared? { wrappedValue as? Compared }

  /// Compares causes of the type `Compared`, and takes all others for none.
  public static func == (one: Self, other: Self) -> Bool { one.compared == other.compared }

  /// Hashes what `==` compares.
  public func hash(into hasher: inout Hasher) { hasher.combine(compared) }
}
