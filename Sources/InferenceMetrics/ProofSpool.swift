import Foundation
import PlumiseWire
import SystemErrors

/// The proofs that wait, in a file of lines that is only ever appended to.
///
/// A line is a proof, a count of the oldest proofs that were accepted, or the timestamp of a report;
/// a line that a crash cut off is dropped. When most of the file is of the past it is written anew.
struct ProofSpool: Sendable {
  struct Held: Sendable {
    var proofs: [InferenceProof] = []
    var lastTimestamp: Int64 = 0
  }

  /// How many lines of the past a file may hold before it is written anew.
  private static let tolerated = 1000

  private let file: URL
  private var handle: FileHandle
  private var pastLines: Int
  private var lastTimestamp: Int64

  static func open(_ file: URL) throws(ProofSpoolError) -> (ProofSpool, Held) {
    do {
      let bytes =
        FileManager.default.fileExists(atPath: file.path) ? try Data(contentsOf: file) : Data()
      let held: Held
      do { held = try read(bytes) } catch let error as SpoolLineError {
        throw ProofSpoolError(path: file.path, reason: error.description)
      }
      try write(held, to: file)
      let spool = ProofSpool(
        file: file, handle: try handle(of: file), pastLines: 0, lastTimestamp: held.lastTimestamp)
      return (spool, held)
    } catch let error as ProofSpoolError {
      throw error
    } catch {
      throw ProofSpoolError(path: file.path, reason: error.systemReason)
    }
  }

  mutating func append(_ proof: InferenceProof) throws {
    try handle.write(contentsOf: Self.line(["proof": proof.json]))
  }

  /// - Parameter rest: the proofs that wait on.
  mutating func note(timestamp: Int64, leaving rest: [InferenceProof]) throws {
    lastTimestamp = max(lastTimestamp, timestamp)
    try add(["timestamp": .integer(timestamp)], makingPast: 1, leaving: rest)
  }

  /// - Parameter rest: the proofs that wait on.
  mutating func acknowledge(_ count: Int, leaving rest: [InferenceProof]) throws {
    try add(["accepted": .integer(count)], makingPast: count + 1, leaving: rest)
  }

  /// Appends a line, or writes the file anew where most of it is of the past.
  private mutating func add(
    _ json: JSON, makingPast count: Int, leaving rest: [InferenceProof]
  ) throws {
    pastLines += count
    guard pastLines > max(Self.tolerated, rest.count) else {
      try handle.write(contentsOf: Self.line(json))
      return
    }
    try Self.write(Held(proofs: rest, lastTimestamp: lastTimestamp), to: file)
    try handle.close()
    handle = try Self.handle(of: file)
    pastLines = 0
  }

  private static func handle(of file: URL) throws -> FileHandle {
    let handle = try FileHandle(forWritingTo: file)
    try handle.seekToEnd()
    return handle
  }

  /// Replaces the file in one step.
  private static func write(_ held: Held, to file: URL) throws {
    var bytes = line(["timestamp": .integer(held.lastTimestamp)])
    for proof in held.proofs { bytes += line(["proof": proof.json]) }
    try bytes.write(to: file, options: .atomic)
  }

  private static func line(_ json: JSON) -> Data { Data(json.serialized() + [0x0a]) }

  private static func read(_ bytes: Data) throws -> Held {
    var held = Held()
    let lines = bytes.split(separator: 0x0a, omittingEmptySubsequences: false)
    // Behind the last line feed there is nothing, or a line that was cut off.
    for (index, line) in lines.dropLast().enumerated() {
      do {
        let json = try JSON.parse(line)
        if let proof = json["proof"] {
          held.proofs.append(try InferenceProof(json: proof))
        } else if let count = json["accepted"]?.integerValue {
          held.proofs.removeFirst(min(Int(clamping: max(0, count)), held.proofs.count))
        } else if let timestamp = json["timestamp"]?.integerValue {
          held.lastTimestamp = max(held.lastTimestamp, timestamp)
        }
      } catch {
        throw SpoolLineError(line: index + 1, reason: "\(error)")
      }
    }
    return held
  }
}

/// A line of a spool that is none.
private struct SpoolLineError: Error, CustomStringConvertible {
  let line: Int
  let reason: String
  var description: String { "line \(line): \(reason)" }
}

/// Why a file of proofs cannot be used.
public struct ProofSpoolError: Error, Sendable, Hashable, CustomStringConvertible {
  /// The file.
  public let path: String
  /// What is wrong with it.
  public let reason: String

  /// One line: what is wrong, and what to do.
  public var description: String {
    "the proofs in \(path) cannot be used: \(reason); give another file, or remove this one"
  }
}
