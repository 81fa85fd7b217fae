import Foundation
import PlumiseWire
import Subprocess
import TestSupport
import TestVectors
import Testing

@Suite("Generate", .timeLimit(.minutes(5)))
struct GenerateTests {
  static let tiny = TestVectors.bloom(.tinyF16).path

  private static func ids(_ result: Command.Result) throws -> [Int64] {
    #expect(result.status == .exited(0), "\(result.errors)")
    return try #require(try result.json()["generated_ids"]?.arrayValue).compactMap(\.integerValue)
  }

  @Test("Two nodes give the tokens of a single process, and the route says who served what")
  func throughNodes() async throws {
    let request = ["generate", "--model", Self.tiny, "--token-ids", "5,6,7", "--json"]
    let alone = try await Self.ids(Command.run(request))
    #expect(!alone.isEmpty)
    try await Command.withNodes(["0-11", "12-23"]) { peers in
      let result = try await Command.run(request + ["--peers", peers.joined(separator: ",")])
      #expect(try Self.ids(result) == alone)
      let route = try #require(try result.json()["route"]?.arrayValue)
      #expect(route.map { $0["peer"]?.stringValue } == peers)
      #expect(route.map { $0["blocks"] } == [[0, 12], [12, 24]])
    }
  }

  @Test("A draft gives the same tokens, here and through nodes, and its acceptance is told")
  func draft() async throws {
    let request = [
      "generate", "--model", Self.tiny, "--token-ids", "5,6,7", "--max-new-tokens", "11", "--json",
    ]
    let plain = try await Command.run(request)
    let alone = try Self.ids(plain)
    #expect(try plain.json()["draft"] == nil)
    let drafted = request + ["--draft", Self.tiny, "--draft-tokens", "4"]
    try await Command.withNodes(["0-11", "12-23"]) { peers in
      for options in [[], ["--peers", peers.joined(separator: ",")]] {
        let result = try await Command.run(drafted + options)
        #expect(try Self.ids(result) == alone)
        let draft = try #require(try result.json()["draft"])
        #expect(["proposed", "accepted", "passes"].map { draft[$0]?.integerValue } == [8, 8, 2])
        #expect(draft["acceptance"]?.doubleValue == 1)
      }
    }
    let spoken = try await Command.run(drafted.filter { $0 != "--json" })
    #expect(spoken.errors.contains("draft: 8 of 8 proposals accepted (100"), "\(spoken.errors)")
  }

  @Test("Keys and values in 16 bits give one process and nodes the same tokens")
  func halfCache() async throws {
    let request = ["generate", "--model", Self.tiny, "--token-ids", "5,6,7", "--json"]
    let halves = request + ["--cache", "f16"]
    let alone = try await Self.ids(Command.run(halves))
    #expect(!alone.isEmpty)
    #expect(try await Self.ids(Command.run(halves + ["--draft", Self.tiny])) == alone)
    try await Command.withNodes(["0-11", "12-23"], ["--cache", "f16"]) { peers in
      let through = request + ["--peers", peers.joined(separator: ",")]
      #expect(try await Self.ids(Command.run(through)) == alone)
      try await Command.run(through + ["--cache", "f16"]).expectRefusal(
        "--cache", "give it to `node`")
    }
    try await Command.run(request + ["--cache", "f8"]).expectRefusal(
      "'--cache <cache>'", "'f32' and 'f16'")
  }

  @Test("A draft with another vocabulary is refused, and so is a number of tokens without one")
  func draftRefused() async throws {
    let request = ["generate", "--model", Self.tiny, "--token-ids", "5,6,7"]
    let other = TestVectors.bloom(.oddF32Sharded).path
    try await Command.run(request + ["--draft", other])
      .expectRefusal("--draft", "vocabulary of", "name a draft with the same vocabulary")
    try await Command.run(request + ["--draft-tokens", "2"]).expectRefusal("--draft-tokens needs")
    try await Command.run(request + ["--draft", other, "--draft-tokens", "17"])
      .expectRefusal("from 1 to 16")
    try await Command.run("node", "--model", Self.tiny, "--blocks", "0-1", "--draft", Self.tiny)
      .expectRefusal("--draft needs --http-port")
  }

  @Test("The first prompt token decides over what follows")
  func wholeContext() async throws {
    try await withTemporaryFolder { folder in
      let model = folder.file("model")
      let made = try await Command.run("model", "synthesize", "--shape", "tiny", "--out", model)
      #expect(made.status == .exited(0))
      var seen: Set<[Int64]> = []
      for first in ["40", "41", "42"] {
        seen.insert(
          try Self.ids(
            await Command.run(
              "generate", "--model", model, "--token-ids", "\(first),50,51,52,53", "--json")))
      }
      #expect(seen.count == 3)
    }
  }

  @Test("The same seed draws the same tokens")
  func seeded() async throws {
    let request = [
      "generate", "--model", Self.tiny, "--token-ids", "5,6,7", "--temperature", "1.5",
      "--top-p", "0.95", "--json", "--seed",
    ]
    let first = try await Self.ids(Command.run(request + ["1"]))
    #expect(try await Self.ids(Command.run(request + ["1"])) == first)
    #expect(try await Self.ids(Command.run(request + ["2"])) != first)
  }

  @Test("A prompt longer than the model allows is refused")
  func tooLong() async throws {
    let ids = Array(repeating: "5", count: 2049).joined(separator: ",")
    try await Command.run("generate", "--model", Self.tiny, "--token-ids", ids)
      .expectRefusal("prompt of 2049 tokens", "the model allows 2048")
    try await Command.run(
      "generate", "--model", Self.tiny, "--token-ids", "1", "--max-new-tokens", "2048"
    ).expectRefusal("prompt of 1 token", "2048 new", "the model allows 2048")
  }

  @Test("What a model allows is its own seq_length: the last token that fits is taken")
  func ownSequenceLength() async throws {
    try await withTemporaryFolder { folder in
      let configuration = try String(contentsOfFile: "\(Self.tiny)/config.json", encoding: .utf8)
      #expect(configuration.contains("\"seq_length\": 2048"))
      try folder.write(
        "config.json",
        configuration.replacing("\"seq_length\": 2048", with: "\"seq_length\": 16").utf8)
      try FileManager.default.copyItem(
        atPath: "\(Self.tiny)/model.safetensors", toPath: folder.file("model.safetensors"))
      func generate(_ prompt: Int, _ new: Int) async throws -> Command.Result {
        let ids = Array(repeating: "5", count: prompt).joined(separator: ",")
        return try await Command.run(
          "generate", "--model", folder.path, "--token-ids", ids, "--max-new-tokens", "\(new)",
          "--json")
      }
      try await generate(17, 1).expectRefusal("prompt of 17 tokens", "the model allows 16")
      try await generate(10, 7).expectRefusal("7 new ones", "the model allows 16")
      #expect(try await !Self.ids(generate(10, 6)).isEmpty)
    }
  }

  @Test("A token id outside the vocabulary is refused")
  func outsideVocabulary() async throws {
    try await Command.run("generate", "--model", Self.tiny, "--token-ids", "512")
      .expectRefusal("512")
    try await Command.run("tokenize", "--model", Self.tiny, "--ids", "1,512")
      .expectRefusal("512")
  }

  @Test("A text needs a tokenizer")
  func noTokenizer() async throws {
    try await withTemporaryFolder { folder in
      for name in ["config.json", "model.safetensors"] {
        try FileManager.default.copyItem(
          atPath: "\(Self.tiny)/\(name)", toPath: folder.file(name))
      }
      try await Command.run("generate", "--model", folder.path, "--prompt", "hello")
        .expectRefusal("tokenizer.json", "--token-ids")
      let result = try await Command.run(
        "generate", "--model", folder.path, "--token-ids", "1,2", "--json")
      #expect(try result.json()["text"]?.isNull == true)
    }
  }

  @Test("Blocks outside the model are refused", arguments: ["0-24", "24-25", "12-3", "x", "-3"])
  func wrongBlocks(_ blocks: String) async throws {
    try await Command.run(
      "node", "--model", Self.tiny, "--blocks=\(blocks)", "--port", "0"
    ).expectRefusal(blocks)
  }

  @Test("Peers that serve another model, or not every block, are refused by name")
  func wrongPeers() async throws {
    try await Command.withNodes(["0-11"]) { peers in
      let other = TestVectors.bloom(.oddF32Sharded).path
      try await Command.run(
        "generate", "--model", other, "--token-ids", "1", "--peers", peers[0]
      ).expectRefusal(peers[0], "another model")
      try await Command.run(
        "generate", "--model", Self.tiny, "--token-ids", "1", "--peers", peers[0]
      ).expectRefusal("12-23")
    }
  }

  @Test("A peer that does not answer is a failure, not wrong input")
  func absentPeer() async throws {
    let result = try await Command.run(
      "generate", "--model", Self.tiny, "--token-ids", "1", "--peers", "127.0.0.1:1")
    #expect(result.status == .exited(1))
    #expect(result.errors.contains("127.0.0.1:1"))
  }
}
