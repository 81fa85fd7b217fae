import Foundation
import PlumiseWire
public import SystemErrors

/// The proofs that wait, in a file of lines that is only ever appended to.
///
/// A line is a proof, a count of the oldest proofs that were accepted, or the timestamp of a
/// report; a line that a crash cut off is dropped. When most of its lines are obsolete the file is
/// rewritten.
struct ProofSpool: Sendable {
  /// What a file holds.
  struct Content: Sendable {
    var proofs: [InferenceProof] = []
    var lastTimestamp: Int64 = 0
  }

  /// How many obsolete lines a file may hold before it is rewritten.
  private static let maximumObsoleteLines = 1000
  /// The latest timestamp, in unix seconds: the end of the year 9999.
  private static let latestTimestamp: Int64 = 253_402_300_799

  private var file: OwnedFile
  private var obsoleteLines = 0
  private var lastTimestamp: Int64

  /// Takes a file for this spool alone, and reads what waits in it.
  static func open(_ url: URL) throws(FileError) -> (ProofSpool, Content) {
    do {
      let file = try OwnedFile(path: url.path)
      do {
        let content = try read(file.contents())
        var spool = ProofSpool(file: file, lastTimestamp: content.lastTimestamp)
        try spool.write(content)
        return (spool, content)
      } catch {
        file.removeIfNew()
        throw error
      }
    } catch let error as FileError {
      throw .proofSpool(url.path, error.code, error.reason, cause: error)
    } catch {
      throw .proofSpool(url.path, .damaged, "\(error)", cause: error)
    }
  }

  private init(file: OwnedFile, lastTimestamp: Int64) {
    self.file = file
    self.lastTimestamp = lastTimestamp
  }

  mutating func append(_ proof: InferenceProof) throws {
    try file.append(Self.line(["proof": proof.json]))
  }

  /// - Parameter rest: the proofs that wait on.
  mutating func note(timestamp: Int64, leaving rest: [InferenceProof]) throws {
    lastTimestamp = max(lastTimestamp, timestamp)
    try add(["timestamp": .integer(timestamp)], obsoleting: 1, leaving: rest)
  }

  /// - Parameter rest: the proofs that wait on.
  mutating func acknowledge(_ count: Int, leaving rest: [InferenceProof]) throws {
    try add(["accepted": .integer(count)], obsoleting: count + 1, leaving: rest)
  }

  /// Appends a line, or rewrites the file where most of its lines are obsolete.
  private mutating func add(
    _ json: JSON, obsoleting count: Int, leaving rest: [InferenceProof]
  ) throws {
    obsoleteLines += count
    guard obsoleteLines > max(Self.maximumObsoleteLines, rest.count) else {
      try file.append(Self.line(json))
      return
    }
    try write(Content(proofs: rest, lastTimestamp: lastTimestamp))
    obsoleteLines = 0
  }

  /// Replaces the file in one step.
  private mutating func write(_ content: Content) throws {
    var bytes = Self.line(["timestamp": .integer(content.lastTimestamp)])
    for proof in content.proofs { bytes += Self.line(["proof": proof.json]) }
    try file.replace(with: bytes)
  }

  private static func line(_ json: JSON) -> [UInt8] { json.serialized() + [0x0a] }

  /// How every spool begins: a file that begins otherwise is of another program.
  private static let opening = Array(#"{"timestamp":"#.utf8)

  private static func read(_ bytes: [UInt8]) throws -> Content {
    var content = Content()
    guard bytes.starts(with: opening) || opening.starts(with: bytes) else {
      throw SpoolLineError(
        line: 1, reason: "this is no file of proofs, which begins with a timestamp")
    }
    let lines = bytes.split(separator: 0x0a, omittingEmptySubsequences: false)
    // Behind the last line feed there is nothing, or a line that was cut off.
    for (index, line) in lines.dropLast().enumerated() {
      do {
        try apply(JSON.parse(line), to: &content)
      } catch {
        throw SpoolLineError(line: index + 1, reason: "\(error)")
      }
    }
    return content
  }

  /// Applies a line.
  /// - Throws: for a line that this type does not write, so that a file of something else, which would
  ///   be replaced, is refused.
  private static func apply(_ line: JSON, to content: inout Content) throws {
    if let proof = line["proof"] {
      content.proofs.append(try InferenceProof(json: proof))
    } else if let count = line["accepted"] {
      let count = try whole(count, "accepted", 0...Int64(content.proofs.count))
      content.proofs.removeFirst(Int(count))
    } else if let timestamp = line["timestamp"] {
      let timestamp = try whole(timestamp, "timestamp", 0...latestTimestamp)
      content.lastTimestamp = max(content.lastTimestamp, timestamp)
    } else {
      throw SpoolValueError(description: "it is no proof, no count of accepted ones, no timestamp")
    }
  }

  private static func whole(
    _ value: JSON, _ name: String, _ range: ClosedRange<Int64>
  ) throws -> Int64 {
    guard let number = value.integerValue, range.contains(number) else {
      throw SpoolValueError(
        description: "\(name): expected a whole number from \(range.lowerBound) to "
          + "\(range.upperBound), found \(value.text.prefix(80))")
    }
    return number
  }
}

/// What a line of a spool holds in place of what it should.
private struct SpoolValueError: Error, CustomStringConvertible {
  let description: String
}

/// A line of a spool that is none.
private struct SpoolLineError: Error, CustomStringConvertible {
  let line: Int
  let reason: String
  var description: String { "line \(line): \(reason)" }
}

extension FileError.Purpose {
  /// A file that keeps proofs until a report with them was accepted.
  public static let proofSpool = Self(rawValue: "proofs")
}

extension FileError {
  /// Why a file of proofs cannot be used, with what to do about it.
  static func proofSpool(
    _ path: String, _ code: Code, _ reason: String, cause: any Error
  ) -> FileError {
    let advice =
      code == .inUse ? "stop it, or give another file" : "give another file, or remove this one"
    return FileError(
      code, path: path, purpose: .proofSpool, reason: reason,
      message: "the proofs in \(path) cannot be used: \(reason); \(advice)", cause: cause)
  }
}
