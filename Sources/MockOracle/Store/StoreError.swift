import SystemErrors

/// Why a file of reports cannot be used.
public struct ReportLogError: Error, Sendable, Hashable, CustomStringConvertible {
  /// The ways in which a file can be of no use.
  public enum Cause: Sendable, Hashable {
    /// Somebody else uses the file: another process, or another part of this one.
    case inUse(by: String)
    /// The file may not be written.
    case readOnly
    /// The file is no SQLite database.
    case notADatabase
    /// The file is an SQLite database of another program, which can be told by this.
    case foreign(String)
    /// A newer version of this program wrote the file in a format that this one does not know.
    case newer(format: UInt32, known: UInt32)
    /// The file holds something that this program never writes.
    case damaged(String)
    /// The system or SQLite says why.
    case unusable(String)
  }

  /// The file.
  public let path: String
  /// What is wrong with it.
  public let cause: Cause

  init(path: String, _ cause: Cause) {
    self.path = path
    self.cause = cause
  }

  /// What a lock that was not got says.
  init(_ error: FileLockError) {
    switch error {
    case .held(let path, let holder):
      self.init(path: path, .inUse(by: holder?.description ?? "another process"))
    case .unusable(let path, let reason): self.init(path: path, .unusable(reason))
    }
  }

  /// What is wrong, without the file's name.
  public var reason: String {
    switch cause {
    case .inUse(let holder): "it is in use by \(holder)"
    case .readOnly: "it may not be written"
    case .notADatabase: "it is no SQLite database"
    case .foreign(let sign): "it is an SQLite database of another program (\(sign))"
    case .newer(let format, let known):
      "a newer version of this program wrote it: its format is \(format), and this version knows "
        + "\(known) at most"
    case .damaged(let what): "it is damaged: \(what)"
    case .unusable(let reason): reason
    }
  }

  /// One line: what is wrong, and what to do.
  public var description: String {
    "store \(path) cannot be opened: \(reason); \(advice)"
  }

  private var advice: String {
    switch cause {
    case .inUse: "stop that one, or name another file"
    case .readOnly: "make it writable, or name another file"
    case .notADatabase, .foreign: "name another file; this one was not changed"
    case .newer: "use that version, or name another file; this one was not changed"
    case .damaged: "name another file, or bring this one back from a copy"
    case .unusable: "name another file"
    }
  }
}
