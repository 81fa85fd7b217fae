import Foundation
import PlumiseWire
import Subprocess
import TestSupport
import TestVectors
import Testing

@Suite("Models", .timeLimit(.minutes(5)))
struct ModelTests {
  static let tiny = TestVectors.bloom(.tinyF16).path

  @Test("A synthesized model is the same for the same seed, and inspection shows its shape")
  func synthesize() async throws {
    try await withTemporaryFolder { folder in
      var fingerprints: [String] = []
      for (name, seed) in [("a", "7"), ("b", "7"), ("c", "8")] {
        let made = try await Command.run(
          "model", "synthesize", "--shape", "tiny", "--seed", seed, "--out", folder.file(name),
          "--json")
        #expect(made.status == .exited(0), "\(made.errors)")
        fingerprints.append(try #require(try made.json()["fingerprint"]?.stringValue))
      }
      #expect(fingerprints[0] == fingerprints[1])
      #expect(fingerprints[0] != fingerprints[2])

      let seen = try await Command.run("model", "inspect", folder.file("a"), "--json").json()
      #expect(seen["fingerprint"]?.stringValue == fingerprints[0])
      #expect(seen["n_layer"]?.integerValue == 24)
      #expect(seen["dtype"]?.stringValue == "F16")
      #expect(seen["seq_length"]?.integerValue == 2048)
      #expect(seen["tokenizer"]?.boolValue == true)
    }
  }

  @Test(
    "A model is quantized to 8 or 4 bits, inspected as such, and generates",
    arguments: [([], "Q8"), (["--dtype", "q8"], "Q8"), (["--dtype", "q4"], "Q4")]
      as [([String], String)])
  func quantize(_ options: [String], _ type: String) async throws {
    try await withTemporaryFolder { folder in
      let target = folder.file("quantized")
      let made = try await Command.run(
        ["model", "quantize", Self.tiny, "--out", target, "--json"] + options)
      #expect(made.status == .exited(0), "\(made.errors)")
      let seen = try await Command.run("model", "inspect", target, "--json").json()
      #expect(seen["fingerprint"] == (try made.json())["fingerprint"])
      #expect(seen["dtype"]?.stringValue == type)
      let generated = try await Command.run(
        "generate", "--model", target, "--token-ids", "5,6,7", "--max-new-tokens", "3", "--json")
      #expect(generated.status == .exited(0), "\(generated.errors)")
    }
  }

  @Test(
    "A model in the cache that is damaged is made again, and a line says so",
    arguments: ["model.safetensors", "config.json", "tokenizer.json"])
  func damagedCache(file: String) async throws {
    try await withTemporaryFolder { folder in
      let arguments = [
        "run", "--model", "tiny", "--ports", "auto", "--nodes", "1", "--max-new-tokens", "2",
        "--report", folder.file("report"),
      ]
      func run() async throws -> String {
        let result = try await Command.run(arguments, with: ["XDG_CACHE_HOME": folder.path])
        #expect(result.status == .exited(0), "\(result.output)\(result.errors)")
        return String(result.output.split(separator: "\n").first ?? "")
      }
      #expect(try await run().contains("made in "))
      let models = folder.appending(path: "plumise-petals-e2e/models")
      let name = try #require(FileManager.default.contentsOfDirectory(atPath: models.path).first)
      let path = models.appending(path: name)
      let whole = try Data(contentsOf: path.appending(path: file))
      try Data(whole.dropLast(whole.count / 2)).write(to: path.appending(path: file))
      let line = try await run()
      #expect(line.contains("made again, since it was damaged ("), "\(line)")
      #expect(line.contains(file), "\(line)")
      #expect(try Data(contentsOf: path.appending(path: file)) == whole)
      #expect(try await run().contains("cached in "))
      #expect(try FileManager.default.contentsOfDirectory(atPath: models.path) == [name])
    }
  }

  @Test("A folder that holds something is not written to")
  func occupiedFolder() async throws {
    try await withTemporaryFolder { folder in
      try folder.write("precious", [1])
      try await Command.run("model", "synthesize", "--shape", "tiny", "--out", folder.path)
        .expectRefusal(folder.path, "not empty")
    }
  }

  @Test("A missing folder is refused by name")
  func missingFolder() async throws {
    try await Command.run("model", "inspect", "/nowhere/model").expectRefusal("/nowhere/model")
  }

  @Test(
    "A broken checkpoint is refused by every subcommand that opens it",
    arguments: BrokenModel.allCases)
  func brokenCheckpoint(_ fault: BrokenModel) async throws {
    try await withTemporaryFolder { folder in
      let model = try fault.write(to: folder)
      for arguments in [
        ["model", "inspect", model],
        ["generate", "--model", model, "--token-ids", "1"],
        ["node", "--model", model, "--blocks", "0-23", "--port", "0"],
        ["forward", "--model", model, "--token-ids", "1", "--output", folder.file("out")],
      ] {
        let result = try await Command.run(arguments)
        result.expectRefusal()
        for word in fault.words {
          #expect(result.errors.contains(word), "\(arguments): \(result.errors)")
        }
      }
    }
  }

  @Test("Text goes to token ids and back")
  func tokenize() async throws {
    let text = "Explain quantum computing, Ünïcode & 日本"
    let there = try await Command.run(
      "tokenize", "--model", Self.tiny, "--text", text, "--json"
    ).json()
    let ids = try #require(there["ids"]?.arrayValue).compactMap(\.integerValue)
    #expect(!ids.isEmpty)
    let back = try await Command.run(
      "tokenize", "--model", Self.tiny, "--ids", ids.map(String.init).joined(separator: ","),
      "--json"
    ).json()
    #expect(back["text"]?.stringValue == text)
  }
}

/// Copies of the tiny checkpoint that something is wrong with.
enum BrokenModel: String, CaseIterable, Sendable {
  case truncated
  case wrongType
  case outsideTheFile
  case contradictingConfiguration

  /// What a refusal must name.
  var words: [String] {
    switch self {
    case .truncated: ["model.safetensors", "outside the file", "the file is truncated"]
    case .wrongType: ["model.safetensors", "I16"]
    case .outsideTheFile: ["model.safetensors", "outside the file", "its header is wrong"]
    case .contradictingConfiguration: ["word_embeddings.weight", "[511, 64]", "[512, 64]"]
    }
  }

  /// Writes the broken copy into a folder.
  /// - Returns: the folder's path.
  func write(to folder: URL) throws -> String {
    let source = TestVectors.bloom(.tinyF16)
    var weights = try Data(contentsOf: source.appending(path: "model.safetensors"))
    var configuration = try String(
      contentsOf: source.appending(path: "config.json"), encoding: .utf8)
    switch self {
    case .truncated:
      weights.removeLast(1000)
    case .wrongType:
      weights = try Self.replacingInHeader("\"F16\"", with: "\"I16\"", of: weights)
    case .outsideTheFile:
      weights = try Self.movingLastTensorOut(of: weights)
    case .contradictingConfiguration:
      configuration = configuration.replacing("\"vocab_size\": 512", with: "\"vocab_size\": 511")
    }
    try folder.write("model.safetensors", weights)
    try folder.write("config.json", configuration.utf8)
    return folder.path
  }

  private static func header(of file: Data) throws -> (text: String, end: Int) {
    let length = file.prefix(8).reversed().reduce(0) { $0 << 8 | Int($1) }
    return (String(decoding: file[8..<8 + length], as: UTF8.self), 8 + length)
  }

  private static func file(header: String, data: Data) -> Data {
    let bytes = Array(header.utf8)
    let length = (0..<8).map { UInt8(truncatingIfNeeded: bytes.count >> (8 * $0)) }
    return Data(length) + Data(bytes) + data
  }

  private static func replacingInHeader(
    _ old: String, with new: String, of file: Data
  ) throws -> Data {
    let (text, end) = try header(of: file)
    return Self.file(header: text.replacing(old, with: new), data: file[end...])
  }

  /// The last tensor's data, as long as before, lies 64 bytes further on, where no file is.
  private static func movingLastTensorOut(of file: Data) throws -> Data {
    let (text, end) = try header(of: file)
    let size = file.count - end
    let moved = text.replacing(/\[(\d+), ?(\d+)\]/) { offsets in
      guard Int(offsets.output.2) == size, let start = Int(offsets.output.1) else {
        return String(offsets.output.0)
      }
      return "[\(start + 64),\(size + 64)]"
    }
    return Self.file(header: moved, data: file[end...])
  }
}
