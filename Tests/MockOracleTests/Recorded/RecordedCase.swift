import Foundation
import Inflate
import MockServing
import PlumiseWire
import TestSupport
import TestVectors
import Testing

/// Requests that the deployed oracle was sent, in their order, with what it answered.
struct RecordedCase: Sendable {
  /// How sure the recording is.
  enum Kind: Sendable, CaseIterable {
    /// The answer is the deployed oracle's.
    case certain
    /// The recorder does not vouch for it.
    case uncertain
    /// This oracle answers otherwise, on purpose.
    case choice
  }

  /// The second at which the oracle's clock stood.
  static let now: Int64 = 1_780_000_000

  let name: String
  let kind: Kind
  /// Whether it needs an oracle that has seen nothing.
  let isFresh: Bool
  let steps: [RecordedStep]

  /// Every case that was recorded; an unreadable file is an error, not a pass.
  static func all() throws -> [RecordedCase] {
    let packed = Array(try Data(contentsOf: TestVectors.deployedOracle))
    let lines = try Inflater.unpack(packed, .gzip, limit: 16 << 20).split(separator: 0x0a)
    return try lines.map { line in
      let json = try JSON.parse(line)
      try #require(json["now"]?.integerValue == now)
      return RecordedCase(
        name: try #require(json["name"]?.stringValue),
        kind: json["certain"] == false ? .uncertain : json["choice"] == true ? .choice : .certain,
        isFresh: json["fresh"] == true,
        steps: try #require(json["steps"]?.arrayValue).map { try RecordedStep($0) })
    }
  }

  /// Sends the requests, each on a connection of its own.
  /// - Returns: what was answered otherwise, a line for each.
  func differences(at address: ServerAddress) async throws -> [String] {
    var differences: [String] = []
    for (index, step) in steps.enumerated() {
      let answer = try await RawClient.connected(to: address) { client async throws in
        try await client.send(step.request)
        return try await client.waitForEnd()
      }
      differences += step.differences(from: answer).map { "\(name), step \(index): \($0)" }
    }
    return differences
  }
}

/// One request, byte for byte, and its answer.
struct RecordedStep: Sendable {
  let request: [UInt8]
  private let status: Int
  private let fields: JSONObject
  private let body: JSON
  /// Members of the answer, at any depth, that are not compared.
  private let ignored: [String]

  init(_ json: JSON) throws {
    status = Int(try #require(json["status"]?.integerValue))
    fields = json["answer_headers"]?.objectValue ?? JSONObject()
    body = json["answer"] ?? .null
    ignored = (json["ignore"]?.arrayValue ?? []).compactMap(\.stringValue)
    if let raw = json["raw_base64"]?.stringValue {
      request = Array(try #require(Data(base64Encoded: raw)))
      return
    }
    let (method, path) = (json["method"]?.stringValue ?? "", json["path"]?.stringValue ?? "")
    let content = json["body_base64"]?.stringValue.flatMap { Data(base64Encoded: $0) }
    var head = "\(method) \(path) HTTP/1.1\r\nHost: x\r\n"
    var isFramed = content == nil
    for field in json["headers"]?.arrayValue ?? [] {
      let name = field[0]?.stringValue ?? ""
      head += "\(name): \(field[1]?.stringValue ?? "")\r\n"
      if ["content-length", "transfer-encoding"].contains(name.lowercased()) { isFramed = true }
    }
    if let content, !isFramed { head += "Content-Length: \(content.count)\r\n" }
    request = Array((head + "Connection: close\r\n\r\n").utf8) + (content ?? Data())
  }

  /// What an answer has otherwise than the recorded one.
  func differences(from answer: String) -> [String] {
    var rest = Substring(answer)
    var head: [Substring] = []
    repeat {
      guard let end = rest.firstRange(of: "\r\n\r\n") else { return ["no answer: \(answer)"] }
      head = rest[..<end.lowerBound].split(separator: "\r\n")
      rest = rest[end.upperBound...]
      // What comes before the answer is none.
    } while head.first?.contains(" 100 ") == true
    var found: [String] = []
    if head.first?.split(separator: " ").dropFirst().first != Substring(String(status)) {
      found.append("\(head.first ?? "") in place of \(status)")
    }
    for field in fields.members {
      let value = head.dropFirst().first { $0.lowercased().hasPrefix("\(field.key):") }
        .map {
          JSON.string($0.dropFirst(field.key.utf8.count + 1).trimmingCharacters(in: .whitespaces))
        }
      if value ?? .null != field.value {
        found.append("\(field.key) is \(value ?? .null) in place of \(field.value)")
      }
    }
    // A body that is no JSON is compared as text.
    let given = (try? JSON.parse(String(rest))) ?? .string(String(rest))
    if without(given) != without(body) { found.append("\(given) in place of \(body)") }
    return found
  }

  private func without(_ json: JSON) -> JSON {
    switch json {
    case .array(let elements): .array(elements.map(without))
    case .object(let object):
      .object(
        JSONObject(
          uniqueMembers: object.members.filter { !ignored.contains($0.key) }
            .map { ($0.key, without($0.value)) }))
    default: json
    }
  }
}
