import Foundation
import PlumiseWire

/// A hub's listing of a model: the commit that a revision stands for, and its files.
///
/// Source: the hub's API, `GET /api/models/NAME/revision/REVISION?blobs=true`.
struct HubListing: Sendable {
  /// The largest file that a hub may list, in bytes: 16 TiB.
  private static let largestFile: Int64 = 1 << 44

  /// The commit; files of one commit never change.
  let commit: String
  let files: [HubFile]

  /// - Throws: `CommandFailure` (failed) for an answer that is no listing.
  init(_ answer: JSON, of name: HubName) throws {
    guard let commit = answer["sha"]?.stringValue, Self.isHexadecimal(commit, digits: 40...64),
      let siblings = answer["siblings"]?.arrayValue
    else { throw CommandFailure.failed("the hub's listing of \(name) names no commit or no files") }
    self.commit = commit
    files = try siblings.compactMap { try Self.file($0, of: name) }
  }

  /// The files that a node needs: configuration, tokenizer, and the weights in one file or in
  /// shards with their index.
  /// - Throws: `CommandFailure` (failed) for a model without configuration or safetensors.
  func checkpointFiles(of name: HubName) throws -> [HubFile] {
    guard let configuration = file("config.json") else {
      throw CommandFailure.failed("\(name) has no config.json, and is no model of this kind")
    }
    let small =
      [configuration]
      + [file("generation_config.json"), file("tokenizer.json"), file("tokenizer_config.json")]
      .compactMap { $0 }
    if let weights = file("model.safetensors") { return small + [weights] }
    let shards = files.filter { Self.isShard($0.name) }
    guard let index = file("model.safetensors.index.json"), !shards.isEmpty else {
      throw CommandFailure.failed("\(name) has no weights as safetensors; convert them first")
    }
    return small + [index] + shards
  }

  private func file(_ name: String) -> HubFile? { files.first { $0.name == name } }

  /// A file of the listing; nil for one that a node has no use for.
  private static func file(_ entry: JSON, of model: HubName) throws -> HubFile? {
    guard let name = entry["rfilename"]?.stringValue, isWanted(name) else { return nil }
    let stored = entry["lfs"]
    guard let stated = stored?["size"] ?? entry["size"] else {
      throw CommandFailure.failed("the hub does not say how long \(model)'s \(name) is")
    }
    guard let size = stated.integerValue, (0...largestFile).contains(size) else {
      throw CommandFailure.failed(
        "the hub gives \(model)'s \(name) the size \(stated.text.prefix(80)); a size is a whole "
          + "number from 0 to \(largestFile)")
    }
    let checksum: FileChecksum
    if let digits = stored?["sha256"]?.stringValue, isHexadecimal(digits, digits: 64...64) {
      checksum = .sha256(digits)
    } else if let digits = entry["blobId"]?.stringValue, isHexadecimal(digits, digits: 40...40) {
      checksum = .gitBlob(digits)
    } else {
      throw CommandFailure.failed("the hub gives no checksum of \(model)'s \(name)")
    }
    return HubFile(name: name, size: size, checksum: checksum)
  }

  /// Names are compared whole, so that a hub cannot choose a path in the file system.
  private static func isWanted(_ name: String) -> Bool {
    [
      "config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json",
      "model.safetensors", "model.safetensors.index.json",
    ].contains(name) || isShard(name)
  }

  /// Whether it is a part of the weights, as `model-00001-of-00003.safetensors` is.
  private static func isShard(_ name: String) -> Bool {
    // Whatever makes another character of an ASCII one is no part of such a name.
    name.utf8.allSatisfy { $0 < 0x80 }
      && name.wholeMatch(of: /model-[0-9]{5}-of-[0-9]{5}\.safetensors/) != nil
  }

  private static func isHexadecimal(_ text: String, digits: ClosedRange<Int>) -> Bool {
    digits.contains(text.utf8.count)
      && text.utf8.allSatisfy {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0)
          || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains($0)
      }
  }
}

/// A file of a model on a hub, as the hub lists it.
struct HubFile: Hashable, Sendable {
  let name: String
  /// Bytes.
  let size: Int64
  let checksum: FileChecksum
}

/// A model's name on a hub: `owner/name`, or `name` alone for the hub's own.
struct HubName: Hashable, Sendable, CustomStringConvertible {
  let description: String

  /// - Throws: `CommandFailure` (wrong input) for a name that no hub has.
  init(_ text: String) throws {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false)
    let isName = (1...2).contains(parts.count) && parts.allSatisfy(Self.isPart)
    guard isName else {
      throw CommandFailure.wrongInput("'\(text)' names no model; give OWNER/NAME")
    }
    description = text
  }

  private static func isPart(_ part: Substring) -> Bool {
    (1...96).contains(part.utf8.count) && !part.allSatisfy { $0 == "." }
      && part.utf8.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
          UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"),
          UInt8(ascii: "-"):
          true
        default: false
        }
      }
  }
}
