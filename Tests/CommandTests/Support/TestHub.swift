import Crypto
import Foundation
import HTTPTypes
import MockServing
import PlumiseWire

/// A hub of one model, `plumise/tiny`, that answers as real hubs do: listing with checksums, bytes
/// from an offset on.
struct TestHub: Sendable {
  static let name = "plumise/tiny"
  static let commit = String(repeating: "c0ffee00", count: 5)

  /// Every request that came, in its order.
  let requests = Journal<WebRequest>()
  private let files: [String: [UInt8]]
  /// Weights are listed with this content, whatever is served.
  private let listed: [String: [UInt8]]
  /// Where content is served in place of this hub.
  private let storage: String?
  /// The size that is listed for every file, where it is not the file's own.
  private let size: JSON?

  /// - Parameters:
  ///   - folder: the model.
  ///   - served: files whose bytes differ from what the listing says.
  ///   - storage: another address, to which requests for content are redirected.
  ///   - size: what the listing says of every file's size, in place of the truth.
  init(
    _ folder: URL, serving served: [String: [UInt8]] = [:], storage: String? = nil,
    size: JSON? = nil
  ) throws {
    let names = try FileManager.default.contentsOfDirectory(atPath: folder.path)
    listed = try Dictionary(
      uniqueKeysWithValues: names.map {
        ($0, Array(try Data(contentsOf: folder.appending(path: $0))))
      })
    files = listed.merging(served) { $1 }
    self.storage = storage
    self.size = size
  }

  func respond(_ request: WebRequest) -> WebResponse {
    requests.record(request)
    if request.path == "/api/models/\(Self.name)/revision/main" {
      return .json(Array(listing.text.utf8))
    }
    let prefix = "/\(Self.name)/resolve/\(Self.commit)/"
    guard request.path.hasPrefix(prefix) else { return WebResponse(status: .notFound) }
    if let storage {
      return WebResponse(status: .found, headers: [.location: storage + request.path])
    }
    guard let bytes = files[String(request.path.dropFirst(prefix.count))] else {
      return WebResponse(status: .notFound)
    }
    return content(bytes, range: request.headers[.range])
  }

  /// The requests for a file's content.
  func requests(for file: String) -> [WebRequest] {
    requests.entries.filter { $0.path.hasSuffix("/\(file)") }
  }

  private func content(_ bytes: [UInt8], range: String?) -> WebResponse {
    guard let range, let offset = Int(range.dropFirst("bytes=".count).dropLast()) else {
      return WebResponse(body: bytes)
    }
    return WebResponse(
      status: .partialContent,
      headers: [.contentRange: "bytes \(offset)-\(bytes.count - 1)/\(bytes.count)"],
      body: Array(bytes[offset...]))
  }

  private var listing: JSON {
    [
      "sha": .string(Self.commit),
      "siblings": .array(listed.sorted { $0.key < $1.key }.map(entry)),
    ]
  }

  private func entry(_ name: String, _ bytes: [UInt8]) -> JSON {
    let size = size ?? .integer(bytes.count)
    let blob = Insecure.SHA1.hash(data: Array("blob \(bytes.count)\0".utf8) + bytes)
    var entry: JSONObject = [
      "rfilename": .string(name), "size": size,
      "blobId": .string(Self.hexadecimal(blob)),
    ]
    if name.hasSuffix(".safetensors") {
      entry["lfs"] = [
        "size": size, "sha256": .string(Self.hexadecimal(SHA256.hash(data: bytes))),
      ]
    }
    return .object(entry)
  }

  private static func hexadecimal(_ digest: some Sequence<UInt8>) -> String {
    digest.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
  }
}
