import Crypto
import Foundation
import HTTPTypes
import MockServing
import PlumiseWire
import Subprocess
import TestSupport
import TestVectors
import Testing

@Suite("Fetching a model", .timeLimit(.minutes(5)))
struct FetchTests {
  private static let model = TestVectors.bloom(.tinyF16)
  private static let weights = "model.safetensors"

  private static func fetch(
    _ address: ServerAddress, _ folder: URL, name: String = TestHub.name
  ) async throws -> Command.Result {
    try await Command.run(
      ["model", "fetch", name, "--endpoint", address.url, "--out", folder.path, "--json"],
      with: ["HF_TOKEN": "secret"])
  }

  private static func expectWhole(_ folder: URL, as model: URL = model) throws {
    for name in try FileManager.default.contentsOfDirectory(atPath: folder.path) {
      let there = try Data(contentsOf: folder.appending(path: name))
      #expect(there == (try Data(contentsOf: model.appending(path: name))), "\(name)")
    }
    #expect(FileManager.default.fileExists(atPath: folder.file("config.json")))
  }

  @Test(
    "A model comes whole, in one file or in shards, and is not fetched again",
    arguments: [TestVectors.Model.tinyF16, .oddF32Sharded, .untiedF16])
  func whole(_ vector: TestVectors.Model) async throws {
    let hub = try TestHub(TestVectors.bloom(vector))
    try await withTemporaryFolder { folder in
      try await withWebServer(respond: hub.respond) { address in
        let first = try await Self.fetch(address, folder)
        #expect(first.status == .exited(0), "\(first.errors)")
        let result = try first.json()
        #expect(result["revision"]?.stringValue == TestHub.commit)
        let files = try #require(result["files"]?.arrayValue)
        #expect(files.count >= 3 && files.allSatisfy { $0["fetched_from"] == 0 })
        try Self.expectWhole(folder, as: TestVectors.bloom(vector))
        let names = files.compactMap { $0["name"]?.stringValue }
        #expect(names.contains("generation_config.json") == (vector == .untiedF16))

        let asked = hub.requests.entries.count
        let second = try await Self.fetch(address, folder)
        #expect(second.status == .exited(0), "\(second.errors)")
        #expect(hub.requests.entries.count == asked + 1, "only the listing is asked for")
        let inspected = try await Command.run("model", "inspect", folder.path)
        #expect(inspected.status == .exited(0), "\(inspected.errors)")
      }
    }
  }

  @Test("A connection lost amid the weights is taken up where it broke")
  func lostConnection() async throws {
    let hub = try TestHub(Self.model)
    let faults = FaultScript()
    faults.add(.drop(.midBody(after: 100_000), .reset), count: 3) {
      $0.path.hasSuffix(Self.weights)
    }
    try await withTemporaryFolder { folder in
      try await withWebServer(faults: faults, respond: hub.respond) { address in
        let result = try await Self.fetch(address, folder)
        #expect(result.status == .exited(0), "\(result.errors)")
      }
      try Self.expectWhole(folder)
    }
    let ranges = hub.requests(for: Self.weights).map { $0.headers[.range] }
    #expect(ranges.count == 4)
    #expect(ranges.dropFirst().allSatisfy { $0 != nil })
  }

  @Test("What an earlier run began, the next one goes on with")
  func laterRun() async throws {
    let hub = try TestHub(Self.model)
    let faults = FaultScript()
    try await withTemporaryFolder { folder in
      try await withWebServer(faults: faults, respond: hub.respond) { address in
        faults.add(.drop(.midBody(after: 50_000)), count: 1) { $0.path.hasSuffix(Self.weights) }
        faults.add(.drop(.beforeHandling), count: nil) { $0.path.hasSuffix(Self.weights) }
        let broken = try await Self.fetch(address, folder)
        #expect(broken.status == .exited(1))
        #expect(broken.errors.contains("run it again to go on"), "\(broken.errors)")
        faults.clear()
        let result = try await Self.fetch(address, folder)
        #expect(result.status == .exited(0), "\(result.errors)")
        let files = try #require(try result.json()["files"]?.arrayValue)
        let weights = try #require(files.first { $0["name"]?.stringValue == Self.weights })
        #expect((weights["fetched_from"]?.integerValue ?? 0) > 0)
      }
      try Self.expectWhole(folder)
    }
  }

  @Test("A busy hub is asked again")
  func busy() async throws {
    let hub = try TestHub(Self.model)
    let faults = FaultScript()
    faults.add(.tooManyRequests(retryAfter: 0), count: 2)
    faults.add(.status(503), count: 1)
    try await withTemporaryFolder { folder in
      try await withWebServer(faults: faults, respond: hub.respond) { address in
        let result = try await Self.fetch(address, folder)
        #expect(result.status == .exited(0), "\(result.errors)")
      }
    }
    #expect(faults.isExhausted)
  }

  @Test("One wrong bit is refused, and nothing of it is kept")
  func wrongBit() async throws {
    var bytes = Array(try Data(contentsOf: Self.model.appending(path: Self.weights)))
    bytes[bytes.count / 2] ^= 4
    let hub = try TestHub(Self.model, serving: [Self.weights: bytes])
    try await withTemporaryFolder { folder in
      try await withWebServer(respond: hub.respond) { address in
        let result = try await Self.fetch(address, folder)
        #expect(result.status == .exited(1))
        #expect(result.errors.contains("model.safetensors"), "\(result.errors)")
        #expect(result.errors.contains("checksum"), "\(result.errors)")
      }
      let left = try FileManager.default.contentsOfDirectory(atPath: folder.path)
      #expect(left.allSatisfy { !$0.hasPrefix("model") }, "\(left)")
    }
  }

  @Test("The token goes to the hub, and not to where it redirects")
  func token() async throws {
    let storage = try TestHub(Self.model)
    try await withTemporaryFolder { folder in
      try await withWebServer(respond: storage.respond) { elsewhere in
        let hub = try TestHub(Self.model, storage: elsewhere.url)
        try await withWebServer(respond: hub.respond) { address in
          let result = try await Self.fetch(address, folder)
          #expect(result.status == .exited(0), "\(result.errors)")
        }
        #expect(hub.requests.entries.allSatisfy { $0.headers[.authorization] == "Bearer secret" })
      }
      try Self.expectWhole(folder)
    }
    #expect(storage.requests.entries.count >= 3)
    #expect(storage.requests.entries.allSatisfy { $0.headers[.authorization] == nil })
  }

  @Test("What another program fetches at the moment is refused, and left to it")
  func fetchedByAnother() async throws {
    let hub = try TestHub(Self.model)
    try await withTemporaryFolder { folder in
      let digest = SHA256.hash(data: try Data(contentsOf: Self.model.appending(path: Self.weights)))
      let start = digest.prefix(6).map { String(format: "%02x", $0) }.joined()
      let part = try folder.write("\(Self.weights).\(start).part", Array("begun".utf8))
      let descriptor = open(part, O_RDWR)
      defer { close(descriptor) }
      #expect(flock(descriptor, LOCK_EX | LOCK_NB) == 0)
      try await withWebServer(respond: hub.respond) { address in
        let result = try await Self.fetch(address, folder)
        #expect(result.status == .exited(2))
        #expect(result.errors.contains("\(part) is in use by process"), "\(result.errors)")
      }
      #expect(try String(contentsOfFile: part, encoding: .utf8) == "begun")
    }
  }

  @Test("A model that the hub does not have leaves no folder behind")
  func leavesNoFolder() async throws {
    try await withTemporaryFolder { folder in
      let place = folder.appending(path: "new/model", directoryHint: .isDirectory)
      try await withWebServer(respond: { _ in WebResponse(status: .notFound) }) { address in
        let result = try await Self.fetch(address, place)
        #expect(result.status == .exited(1))
      }
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).isEmpty)
    }
  }

  @Test("A file that differs is never written over")
  func precious() async throws {
    let hub = try TestHub(Self.model)
    try await withTemporaryFolder { folder in
      let path = try folder.write("config.json", Array("precious".utf8))
      try await withWebServer(respond: hub.respond) { address in
        try await Self.fetch(address, folder).expectRefusal(path, "--out")
      }
      #expect(try String(contentsOfFile: path, encoding: .utf8) == "precious")
    }
  }

  @Test(
    "A hub that points to no address is refused, and one that points in circles is left",
    arguments: ["http://127.0.0.1:99999", "http://127.0.0.1:18446744073709551696", "file:///etc"])
  func impossibleRedirects(_ place: String) async throws {
    let hub = try TestHub(Self.model, storage: place)
    try await withTemporaryFolder { folder in
      try await withWebServer(respond: hub.respond) { address in
        let result = try await Self.fetch(address, folder)
        #expect(result.status == .exited(1))
        #expect(result.errors.contains("points to '\(place)"), "\(result.errors)")
        #expect(result.errors.contains("a port from 1 to 65535"), "\(result.errors)")
      }
      try await withWebServer(
        respond: { WebResponse(status: .found, headers: [.location: $0.path]) }
      ) { address in
        let result = try await Self.fetch(address, folder)
        #expect(result.status == .exited(1))
        #expect(result.errors.contains("more than 5 times"), "\(result.errors)")
      }
    }
  }

  @Test(
    "A size that no file has is refused with its limits",
    arguments: [
      "-1", "17592186044417", "9223372036854775807", "9223372036854775808", "1.5", "1e400",
    ])
  func sizes(_ size: String) async throws {
    let hub = try TestHub(Self.model, size: try JSON.parse(size))
    try await withTemporaryFolder { folder in
      try await withWebServer(respond: hub.respond) { address in
        let result = try await Self.fetch(address, folder)
        #expect(result.status == .exited(1))
        #expect(result.errors.contains("the size \(size)"), "\(result.errors)")
        #expect(result.errors.contains("from 0 to 17592186044416"), "\(result.errors)")
      }
    }
  }

  @Test("Sizes that are possible are believed, and what does not come is said")
  func greatSizes() async throws {
    let hub = try TestHub(Self.model, size: 17_592_186_044_416)
    try await withTemporaryFolder { folder in
      try await withWebServer(respond: hub.respond) { address in
        let result = try await Self.fetch(address, folder)
        #expect(result.status == .exited(1))
        #expect(result.errors.contains("config.json"), "\(result.errors)")
      }
    }
  }

  @Test("A model that is not there, and an address that is no hub, are told apart")
  func nothingThere() async throws {
    let hub = try TestHub(Self.model)
    try await withTemporaryFolder { folder in
      try await withWebServer(respond: hub.respond) { address in
        let missing = try await Self.fetch(address, folder, name: "plumise/none")
        #expect(missing.status == .exited(1))
        #expect(missing.errors.contains("404"), "\(missing.errors)")
        try await Self.fetch(address, folder, name: "../up").expectRefusal("../up")
      }
      try await withWebServer(respond: { _ in .text("welcome") }) { address in
        let other = try await Self.fetch(address, folder)
        #expect(other.status == .exited(1))
        #expect(other.errors.contains("is it a hub?"), "\(other.errors)")
      }
      try await withClosedPort { address in
        let closed = try await Self.fetch(address, folder)
        #expect(closed.status == .exited(1))
        #expect(closed.errors.contains(address.url), "\(closed.errors)")
      }
    }
  }
}

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
