import Foundation
import PlumiseWire
import TestVectors
import Testing

/// Weights that are no numbers, which no command turns into tokens.
@Suite("Scores that are no numbers, on the command line", .timeLimit(.minutes(5)))
struct CommandScoreTests {
  /// Writes a copy of the tiny checkpoint one of whose last layer norm's weights is no number.
  private func write(to folder: URL) throws {
    var weights = try Data(contentsOf: URL(filePath: "\(GenerateTests.tiny)/model.safetensors"))
    let length = weights.prefix(8).reversed().reduce(0) { $0 << 8 | Int($1) }
    let header = try JSON.parse(weights[8..<8 + length])
    let offsets = try #require(header["ln_f.weight"]?["data_offsets"]?.arrayValue)
    let start = 8 + length + Int(try #require(offsets.first?.integerValue))
    weights.replaceSubrange(start..<start + 2, with: [0x01, 0x7e])
    try folder.write("model.safetensors", weights)
    for name in ["config.json", "tokenizer.json"] {
      try FileManager.default.copyItem(
        atPath: "\(GenerateTests.tiny)/\(name)", toPath: folder.file(name))
    }
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
