import Bloom
import Foundation
import Testing

@Suite("Synthesized models")
struct SynthesizerTests {
  private func digest(_ dtype: ElementType, _ seed: UInt64) async throws -> String {
    try await withTemporaryFolder { folder in
      try ModelSynthesizer.synthesize(shape: .tiny, dtype: dtype, seed: seed, into: folder)
      return try Checkpoint(directory: folder).fingerprint
    }
  }

  @Test("Generated ids depend on the first token of the prompt", arguments: [3, 20, 60])
  func context(_ length: Int) async throws {
    let generator = LocalGenerator(try TinyModel.checkpoint())
    let prompt = TinyModel.prompt(length)
    var results: [[Int32]] = []
    for first in [prompt[0], 50, 60, 70] {
      let generation = try await generator.generate(
        GenerationRequest(prompt: [first] + prompt.dropFirst(), maxNewTokens: 16))
      results.append(generation.ids)
    }
    #expect(Set(results).count == results.count)
  }

  @Test("Generated text is readable, varied and as long as asked for")
  func variety() async throws {
    let checkpoint = try TinyModel.checkpoint()
    let generation = try await LocalGenerator(checkpoint).generate(
      GenerationRequest(prompt: TinyModel.prompt(8), maxNewTokens: 40))
    #expect(generation.ids.count == 40)
    #expect(Set(generation.ids).count >= 10)
    // Ids of the printable ASCII characters.
    #expect(generation.ids.allSatisfy { (4..<98).contains($0) })
  }

  @Test("The same seed makes the same weights; another seed or type does not")
  func seeds() async throws {
    let first = try await digest(.f16, 0)
    #expect(try await digest(.f16, 0) == first)
    #expect(try await digest(.f16, 1) != first)
    #expect(try await digest(.bf16, 0) != first)
  }

  @Test(
    "Every element type gives a checkpoint that passes the full check",
    arguments: ElementType.allCases)
  func types(_ dtype: ElementType) async throws {
    try await withTemporaryFolder { folder in
      var steps: [ModelSynthesizer.Progress] = []
      try ModelSynthesizer.synthesize(shape: .tiny, dtype: dtype, into: folder) {
        steps.append($0)
      }
      let report = try await CheckpointReport(Checkpoint(directory: folder))
      #expect(report.configuration == SyntheticShape.tiny.configuration)
      #expect(report.elementType == dtype)
      #expect(report.hasTokenizer)
      #expect(report.parameterCount == report.configuration.parameterCount)
      #expect(report.byteCount == report.parameterCount * dtype.size)
      #expect(report.name == "synthetic/tiny")
      #expect(steps.last?.fraction == 1)
      #expect(steps.map(\.bytesWritten) == steps.map(\.bytesWritten).sorted())
    }
  }

  @Test("The tokenizer gives each byte an id below the vocabulary, and the text back")
  func tokenizer() async throws {
    try await withTemporaryFolder { folder in
      try ModelSynthesizer.synthesize(shape: .tiny, dtype: .f16, into: folder)
      let tokenizer = try Tokenizer(directory: folder)
      #expect(tokenizer.count == 260)
      let text = "Explain quantum computing, 양자 \u{1F642}\n\t\0"
      let ids = tokenizer.encode(text)
      #expect(ids.count == text.utf8.count)
      #expect(tokenizer.decode(ids) == text)
      #expect((0..<256).allSatisfy { tokenizer.bytes(Int32(4 + $0)).count == 1 })
      #expect(tokenizer.encode("</s>") == [2])
    }
  }

  @Test("A folder that cannot be made is refused by name")
  func unwritable() throws {
    let error = try #require(throws: CheckpointError.self) {
      try ModelSynthesizer.synthesize(
        shape: .tiny, dtype: .f16, into: URL(filePath: "/dev/null/model"))
    }
    #expect("\(error)".contains("/dev/null/model: cannot be written"))
  }
}
