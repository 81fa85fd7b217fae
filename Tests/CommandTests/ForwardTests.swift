import Foundation
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
