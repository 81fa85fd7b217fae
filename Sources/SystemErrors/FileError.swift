/// Why a file cannot be used: an open code, the file, what it was to be used for, what is wrong with
/// it, and what caused that.
///
/// The code says what its owner can do; the texts are for people, and may change. Two errors are
/// equal whatever caused them.
public struct FileError: Error, Hashable, Sendable {
  /// What kind of failure it is, which decides what its owner can do.
  ///
  /// The set is open: further kinds of files may have codes of their own.
  public struct Code: ErrorCode {
    /// The code's name.
    public let rawValue: String

    /// Makes a code from its name.
    public init(rawValue: String) { self.rawValue = rawValue }

    /// Another process, or another part of this one, uses the file: stop it, or name another file.
    public static let inUse = Self(rawValue: "in use")
    /// The file may not be written.
    public static let readOnly = Self(rawValue: "read-only")
    /// The system refuses the file, or what is there is no file.
    public static let unusable = Self(rawValue: "unusable")
    /// The file does not have the form that it should have.
    public static let wrongFormat = Self(rawValue: "wrong format")
    /// The file belongs to another program.
    public static let foreign = Self(rawValue: "foreign")
    /// Another version of this program wrote the file, in a form that this one does not read.
    public static let unsupportedVersion = Self(rawValue: "unsupported version")
    /// The file holds something that this program never writes.
    public static let damaged = Self(rawValue: "damaged")
    /// The file is a good one, of something else than what was asked for.
    public static let mismatched = Self(rawValue: "mismatched")
  }

  /// What a file was to be used for, in words that follow "the": "state file".
  ///
  /// The set is open: each module adds its own.
  public struct Purpose: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    /// The words.
    public let rawValue: String

    /// Makes a purpose from its words.
    public init(rawValue: String) { self.rawValue = rawValue }

    /// Nothing in particular.
    public static let any = Self(rawValue: "file")

    /// The words.
    public var description: String { rawValue }
  }

  /// What kind of failure it is.
  public var code: Code
  /// The file; nil for content that did not come from one.
  public var path: String?
  /// What the file was to be used for.
  public var purpose: Purpose
  /// What is wrong with the file, without its name.
  public var reason: String
  /// One line: what is wrong, and what to do.
  public var message: String
  /// The error that began it.
  @ErrorCause<Never> public var cause: (any Error)?

  /// Makes an error.
  /// - Parameter message: one line that names the file.
  package init(
    _ code: Code, path: String?, purpose: Purpose = .any, reason: String, message: String,
    cause: (any Error)? = nil
  ) {
    self.code = code
    self.path = path
    self.purpose = purpose
    self.reason = reason
    self.message = message
    self.cause = cause
  }
}

extension FileError: CustomStringConvertible {
  /// The message.
  public var description: String { message }
}

extension FileError {
  /// Somebody else uses a file.
  package static func inUse(
    path: String, purpose: Purpose = .any, holder: String
  ) -> FileError {
    FileError(
      .inUse, path: path, purpose: purpose, reason: "in use by \(holder)",
      message: "the \(purpose) \(path) is in use by \(holder): stop it, or name another file")
  }

  /// A file cannot be opened, read or written.
  package static func unusable(
    path: String, purpose: Purpose = .any, reason: String, cause: (any Error)? = nil
  ) -> FileError {
    FileError(
      .unusable, path: path, purpose: purpose, reason: reason,
      message: "the \(purpose) \(path) cannot be used: \(reason)", cause: cause)
  }
}
