public import Foundation

/// A file of state tests: one JSON object a line, plain or packed by gzip.
public struct StateTestFile: Sendable {
  /// The lines that are not empty, each with its number from 1.
  public let lines: [(number: Int, bytes: [UInt8])]
  /// What the file is called in messages.
  public let path: String

  /// Reads a file.
  ///
  /// - Throws: ``StateTestError`` when it cannot be read or holds no line.
  public init(_ url: URL) throws(StateTestError) {
    path = url.path
    var bytes: [UInt8]
    do {
      bytes = [UInt8](try Data(contentsOf: url))
    } catch {
      throw StateTestError(place: url.path, reason: "cannot be read; is it there, and a file?")
    }
    if Gzip.isPacked(bytes) {
      do { bytes = try Gzip.unpack(bytes) } catch {
        throw StateTestError(place: url.path, reason: "\(error)")
      }
    }
    lines = bytes.split(separator: 0x0a, omittingEmptySubsequences: false).enumerated()
      .filter { !$0.element.isEmpty }
      .map { ($0.offset + 1, Array($0.element)) }
    guard !lines.isEmpty else {
      throw StateTestError(place: url.path, reason: "holds no test; one JSON object a line")
    }
  }

  /// The test of a line.
  ///
  /// - Throws: ``StateTestError`` with file, line and field.
  public func test(_ line: (number: Int, bytes: [UInt8])) throws(StateTestError) -> StateTest {
    do { return try StateTest(line.bytes) } catch {
      throw StateTestError(place: "\(path):\(line.number)", reason: error.description)
    }
  }
}

/// Why a file of state tests cannot be used.
public struct StateTestError: Error, Sendable, CustomStringConvertible {
  /// The file, with the line where there is one.
  public let place: String
  /// What is wrong.
  public let reason: String

  /// One line.
  public var description: String { "\(place): \(reason)" }
}
