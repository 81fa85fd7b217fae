import AsyncPrimitives
import Foundation

/// A chromedriver on a free port, which ends when it is told to.
final class DriverProcess: Sendable {
  private struct Ended: Error, CustomStringConvertible {
    let output: String

    var description: String { "chromedriver ended before it listened: \(output)" }
  }

  private enum Output: Sendable {
    case text(String)
    case ended(String)
  }

  private let identifier: Int32
  private let output = AsyncState(Output.text(""))

  /// Starts a driver.
  init(_ path: String) {
    let process = Process()
    process.executableURL = URL(filePath: path)
    process.arguments = ["--port=0"]
    let pipe = Pipe()
    process.standardOutput = pipe
    process.standardError = FileHandle.nullDevice
    process.standardInput = FileHandle.nullDevice
    do { try process.run() } catch {
      identifier = 0
      output.update { $0 = .ended("\(error)") }
      return
    }
    identifier = process.processIdentifier
    let output = output
    let reader = pipe.fileHandleForReading
    // What it prints is read to the end, or it would stop at a full pipe.
    Thread.detachNewThread {
      var text = ""
      while true {
        let data = reader.availableData
        if data.isEmpty { break }
        text += String(decoding: data, as: UTF8.self)
        let soFar = text
        output.update { $0 = .text(soFar) }
      }
      let all = text
      output.update { $0 = .ended(all) }
    }
  }

  /// The port that it listens on.
  func port() async throws -> Int {
    let said = try await output.wait { said in
      switch said {
      case .text(let text): Self.port(in: text) != nil
      case .ended: true
      }
    }
    guard case .text(let text) = said, let port = Self.port(in: text) else {
      throw Ended(output: "\(said)")
    }
    return port
  }

  private static func port(in text: String) -> Int? {
    text.firstMatch(of: /successfully on port (\d+)/).flatMap { Int($0.output.1) }
  }

  /// Ends the driver and whatever it started: a browser whose page computes on would outlive it.
  func end() {
    guard identifier > 0 else { return }
    for process in Self.descendants(of: identifier) + [identifier] { kill(process, SIGKILL) }
  }

  /// The processes that a process started, and those that these started, as the system has them (Linux).
  private static func descendants(of process: Int32) -> [Int32] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
    var children: [Int32: [Int32]] = [:]
    for identifier in names.compactMap({ Int32($0) }) {
      // "123 (a name) S 1 …": the parent stands second behind the name, in which anything may be. One
      // that has ended meanwhile has no such file any more.
      guard
        let text = try? String(contentsOfFile: "/proc/\(identifier)/stat", encoding: .utf8),
        let end = text.lastIndex(of: ")"),
        let parent = text[end...].split(separator: " ").dropFirst(2).first.flatMap({ Int32($0) })
      else { continue }
      children[parent, default: []].append(identifier)
    }
    var found: [Int32] = []
    var open = [process]
    while let next = open.popLast() {
      found += children[next] ?? []
      open += children[next] ?? []
    }
    return found
  }
}
