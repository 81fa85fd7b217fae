import Foundation
import PlumiseWire
import Subprocess
import TestSupport
import TestVectors
import Testing

@Suite("Forward", .timeLimit(.minutes(5)))
struct ForwardTests {
  static let tiny = GenerateTests.tiny
  /// Seven tokens, and what another implementation makes of them.
  static let golden = "case2"

  private let expected = Result {
    try TensorBytes(TestVectors.bloom(.tinyF16).appending(path: "expected.safetensors").path)
  }

  /// Runs `forward` on the tiny model.
  /// - Returns: the file that it wrote.
  private func forward(_ arguments: [String], to file: String) async throws -> TensorBytes {
    let result = try await Command.run(
      ["forward", "--model", Self.tiny, "--output", file] + arguments)
    #expect(result.status == .exited(0), "\(result.errors)")
    return try TensorBytes(file)
  }

  private func tokens() throws -> String {
    try #require(try expected.get().integers("\(Self.golden).input_ids"))
      .map { "\($0)" }.joined(separator: ",")
  }

  /// A tensor of the golden data, alone in a file under another name.
  private func write(_ golden: String, as name: String, to file: String) throws {
    try #require(try expected.get().tensor("\(Self.golden).\(golden)")).write(as: name, to: file)
  }

  private func expectGolden(_ found: TensorBytes, _ name: String, is golden: String) throws {
    let values = try #require(found.floats(name))
    let wanted = try #require(try expected.get().floats("\(Self.golden).\(golden)"))
    let closeness = Closeness(of: values, to: wanted)
    #expect(closeness.worst <= Closeness.float32, "\(name): \(closeness)")
  }

  @Test("The halves of the model, one after the other, are the model, and the reference's")
  func halves() async throws {
    try await withTemporaryFolder { folder in
      let ids = try tokens()
      let half = folder.file("half")
      let whole = try await forward(["--token-ids", ids], to: folder.file("whole"))
      let first = try await forward(["--token-ids", ids, "--blocks", "0-11"], to: half)
      let rest = try await forward(["--input", half, "--blocks", "12-23"], to: folder.file("rest"))
      #expect(whole.names == ["embeddings", "hidden_states", "logits"])
      #expect(first.names == ["embeddings", "hidden_states"])
      #expect(rest.names == ["hidden_states", "logits"])
      #expect(whole.bytes("logits") == rest.bytes("logits"))
      try expectGolden(first, "embeddings", is: "embeddings")
      try expectGolden(first, "hidden_states", is: "after_first_shard")
      try expectGolden(rest, "hidden_states", is: "after_second_shard")
      try expectGolden(whole, "logits", is: "logits")
    }
  }

  @Test("Each half's gradient is the reference's", arguments: [false, true])
  func gradients(throughPeers: Bool) async throws {
    try await Command.withNodes(throughPeers ? ["0-11", "12-23"] : []) { peers in
      try await withTemporaryFolder { folder in
        let (gradient, output) = (folder.file("gradient"), folder.file("output"))
        let halves = [
          ("first_shard", "0-11", "embeddings"), ("second_shard", "12-23", "after_first_shard"),
        ]
        for (number, (shard, blocks, input)) in halves.enumerated() {
          try write(input, as: "hidden_states", to: folder.file("input"))
          try write("\(shard).grad_output", as: "grad_output", to: gradient)
          let found = try await forward(
            ["--input", folder.file("input"), "--blocks", blocks, "--grad-output", gradient]
              + (throughPeers ? ["--peers", peers[number]] : []),
            to: output)
          try expectGolden(found, "grad_input", is: "\(shard).grad_input")
        }
      }
    }
  }

  @Test("Two nodes give hidden states, logits and gradients of a single process")
  func throughPeers() async throws {
    try await Command.withNodes(["0-11", "12-23"]) { peers in
      try await withTemporaryFolder { folder in
        let gradient = folder.file("gradient")
        try write("second_shard.grad_output", as: "grad_output", to: gradient)
        let request = ["--token-ids", try tokens(), "--grad-output", gradient]
        let alone = try await forward(request, to: folder.file("alone"))
        // Whatever order they are named in.
        let through = try await forward(
          request + ["--peers", peers.reversed().joined(separator: ",")],
          to: folder.file("through"))
        #expect(through.names == ["embeddings", "grad_input", "hidden_states", "logits"])
        #expect(alone.names == through.names)
        for name in alone.names {
          let closeness = Closeness(
            of: try #require(through.floats(name)), to: try #require(alone.floats(name)))
          #expect(closeness.worst <= Closeness.float32, "\(name): \(closeness)")
        }
      }
    }
  }

  @Test("Peers that serve another model, other blocks, or not every block, are refused by name")
  func wrongPeers() async throws {
    try await Command.withNodes(["0-11"]) { peers in
      try await withTemporaryFolder { folder in
        func ask(_ model: TestVectors.Model, _ more: String...) async throws -> Command.Result {
          try await Command.run(
            [
              "forward", "--model", TestVectors.bloom(model).path, "--token-ids", "1", "--output",
              folder.file("output"), "--peers", peers[0],
            ] + more)
        }
        try await ask(.oddF32Sharded).expectRefusal(peers[0], "another model")
        try await ask(.tinyF16).expectRefusal("12-23")
        try await ask(.tinyF16, "--blocks", "0-5").expectRefusal(peers[0], "0-11", "0 to 5")
        #expect(!FileManager.default.fileExists(atPath: folder.file("output")))
      }
    }
  }

  @Test("An output that is something else than an earlier output is refused, and stays as it is")
  func precious() async throws {
    try await withTemporaryFolder { folder in
      let precious = try folder.write("precious", Array("precious".utf8))
      let model = folder.file("model")
      try FileManager.default.copyItem(atPath: Self.tiny, toPath: model)
      let request = ["forward", "--model", model, "--token-ids", "1,2", "--output"]
      try await Command.run(request + [precious]).expectRefusal("--output", precious)
      #expect(try String(contentsOfFile: precious, encoding: .utf8) == "precious")
      let weights = "\(model)/model.safetensors"
      let before = try Data(contentsOf: URL(filePath: weights))
      try await Command.run(request + [weights]).expectRefusal("--output", "model's folder")
      #expect(try Data(contentsOf: URL(filePath: weights)) == before)
      for _ in 0..<2 {
        let result = try await Command.run(request + [folder.file("output")])
        #expect(result.status == .exited(0), "\(result.errors)")
      }
    }
  }

  @Test("A gradient of another shape, or no gradient, is refused by its file")
  func wrongGradient() async throws {
    try await withTemporaryFolder { folder in
      let gradient = folder.file("gradient")
      let request = [
        "forward", "--model", Self.tiny, "--token-ids", "1,2", "--output", folder.file("output"),
        "--grad-output", gradient,
      ]
      try write("first_shard.grad_output", as: "grad_output", to: gradient)
      try await Command.run(request).expectRefusal(gradient, "[7, 64]", "[2, 64]")
      try write("first_shard.grad_output", as: "grad", to: gradient)
      try await Command.run(request).expectRefusal("\(gradient): tensor grad_output: missing\n")
    }
  }
}

/// A model whose LM head is its own, as the command uses it everywhere.
@Suite("LM heads of their own, on the command line", .timeLimit(.minutes(5)))
struct CommandHeadTests {
  private static let untied = TestVectors.bloom(.untiedF16).path
  private static let golden = "case2"

  private func expected() throws -> TensorBytes {
    try TensorBytes("\(Self.untied)/expected.safetensors")
  }

  private func prompt() throws -> String {
    try #require(try expected().integers("\(Self.golden).input_ids"))
      .map { "\($0)" }.joined(separator: ",")
  }

  @Test("A process alone and nodes generate the reference's tokens")
  func generate() async throws {
    let ids = try #require(try expected().integers("\(Self.golden).generated_ids"))
    let request = [
      "generate", "--model", Self.untied, "--token-ids", try prompt(), "--max-new-tokens",
      "\(ids.count)", "--json",
    ]
    try await Command.withNodes(["0-0", "1-2"], of: Self.untied) { peers in
      for more in [[], ["--peers", peers.joined(separator: ",")]] {
        let result = try await Command.run(request + more)
        #expect(result.status == .exited(0), "\(result.errors)")
        #expect(try result.json()["generated_ids"] == .array(ids.map { .integer($0) }))
      }
    }
  }

  @Test("Logits of forward are the reference's, and inspect says what the head is")
  func forward() async throws {
    try await withTemporaryFolder { folder in
      let file = folder.file("out")
      let result = try await Command.run(
        "forward", "--model", Self.untied, "--token-ids", try prompt(), "--output", file)
      #expect(result.status == .exited(0), "\(result.errors)")
      let closeness = Closeness(
        of: try #require(try TensorBytes(file).floats("logits")),
        to: try #require(try expected().floats("\(Self.golden).logits")))
      #expect(closeness.worst <= Closeness.float32, "\(closeness)")
    }
    let seen = try await Command.run("model", "inspect", Self.untied, "--json").json()
    #expect(seen["tie_word_embeddings"] == false)
    #expect(seen["eos_token_id"] == [2, 0])
    let tied = try await Command.run("model", "inspect", GenerateTests.tiny, "--json").json()
    #expect(tied["tie_word_embeddings"] == true)
  }

  @Test("An untied model without a head is refused by every subcommand that opens it")
  func missing() async throws {
    try await withTemporaryFolder { folder in
      let model = folder.path
      let configuration = try String(
        contentsOfFile: "\(GenerateTests.tiny)/config.json", encoding: .utf8)
      let type = "\"model_type\""
      try folder.write(
        "config.json",
        configuration.replacing(type, with: "\"tie_word_embeddings\": false, \(type)").utf8)
      try FileManager.default.copyItem(
        atPath: "\(GenerateTests.tiny)/model.safetensors", toPath: folder.file("model.safetensors"))
      for arguments in [
        ["model", "inspect", model], ["generate", "--model", model, "--token-ids", "1"],
        ["node", "--model", model, "--blocks", "0-11", "--port", "0"],
        ["forward", "--model", model, "--token-ids", "1", "--output", folder.file("out")],
      ] {
        try await Command.run(arguments).expectRefusal("lm_head.weight: missing")
      }
    }
  }
}

/// Weights that are no numbers, which no command turns into tokens.
@Suite("Scores that are no numbers, on the command line", .timeLimit(.minutes(5)))
struct CommandScoreTests {
  /// Writes a copy of the tiny checkpoint one of whose last layer norm's weights is no number.
  private func write(to folder: URL) throws {
    for name in ["config.json", "tokenizer.json", "model.safetensors"] {
      try FileManager.default.copyItem(
        atPath: "\(GenerateTests.tiny)/\(name)", toPath: folder.file(name))
    }
    try spoilLastNorm(in: folder)
  }

  @Test("A process alone and one with nodes end with status 1 and the same words")
  func sameWords() async throws {
    try await withTemporaryFolder { folder in
      try write(to: folder)
      let request = ["generate", "--model", folder.path, "--token-ids", "5,6,7", "--json"]
      let alone = try await Command.run(request)
      #expect(alone.status == .exited(1), "\(alone.output)")
      #expect(alone.output.isEmpty)
      #expect(alone.errors.contains("the scores of the next token are not all finite"))
      let words = alone.errors.trimmingCharacters(in: .newlines)
      try await Command.withNodes(["0-23"], of: folder.path) { peers in
        let through = try await Command.run(request + ["--peers", peers[0]])
        #expect(through.status == .exited(1), "\(through.output)")
        #expect(through.errors.hasPrefix(words), "\(through.errors) is not \(words)")
      }
      let forward = try await Command.run(
        "forward", "--model", folder.path, "--token-ids", "5", "--output", folder.file("out"))
      #expect(forward.status == .exited(1))
      #expect(forward.errors.contains("logits of token 0 are not all finite"), "\(forward.errors)")
      #expect(!FileManager.default.fileExists(atPath: folder.file("out")))
    }
  }
}

/// A safetensors file as bytes by name, read and written without the code under test.
struct TensorBytes {
  /// One tensor as it is stored.
  struct Tensor {
    let type: String
    let shape: [Int64]
    let bytes: Data

    /// Writes a file that holds this tensor alone.
    func write(as name: String, to path: String) throws {
      let shape = shape.map { "\($0)" }.joined(separator: ",")
      let header = Array(
        """
        {"\(name)":{"dtype":"\(type)","shape":[\(shape)],"data_offsets":[0,\(bytes.count)]}}
        """.utf8)
      let length = (0..<8).map { UInt8(truncatingIfNeeded: header.count >> (8 * $0)) }
      try (Data(length) + Data(header) + bytes).write(to: URL(filePath: path))
    }
  }

  private let tensors: [String: Tensor]

  var names: [String] { tensors.keys.sorted() }

  init(_ path: String) throws {
    let file = try Data(contentsOf: URL(filePath: path))
    let length = file.prefix(8).reversed().reduce(0) { $0 << 8 | Int($1) }
    let header = try JSON.parse(file[8..<8 + length])
    var tensors: [String: Tensor] = [:]
    for member in header.objectValue?.members ?? [] where member.key != "__metadata__" {
      guard let type = member.value["dtype"]?.stringValue,
        let shape = member.value["shape"]?.arrayValue?.compactMap(\.integerValue),
        let offsets = member.value["data_offsets"]?.arrayValue?.compactMap(\.integerValue),
        offsets.count == 2
      else { continue }
      let bytes = file[8 + length + Int(offsets[0])..<8 + length + Int(offsets[1])]
      tensors[member.key] = Tensor(type: type, shape: shape, bytes: bytes)
    }
    self.tensors = tensors
  }

  func tensor(_ name: String) -> Tensor? { tensors[name] }

  func bytes(_ name: String) -> Data? { tensors[name]?.bytes }

  /// The numbers of an F32 tensor.
  func floats(_ name: String) -> [Float]? {
    guard let tensor = tensors[name], tensor.type == "F32" else { return nil }
    return Self.words(tensor.bytes, of: UInt32.self).map(Float.init(bitPattern:))
  }

  /// The numbers of an I64 tensor.
  func integers(_ name: String) -> [Int64]? {
    guard let tensor = tensors[name], tensor.type == "I64" else { return nil }
    return Self.words(tensor.bytes, of: UInt64.self).map(Int64.init(bitPattern:))
  }

  /// Little-endian numbers.
  private static func words<Word: FixedWidthInteger>(_ bytes: Data, of type: Word.Type) -> [Word] {
    let size = MemoryLayout<Word>.size
    return stride(from: bytes.startIndex, to: bytes.endIndex, by: size).map { start in
      bytes[start..<start + size].reversed().reduce(0) { $0 << 8 | Word($1) }
    }
  }
}
