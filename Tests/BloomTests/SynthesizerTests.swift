import Bloom
import Foundation
import TestSupport
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

  @Test("Who changes what is made changes the recipe's version, by which caches go")
  func recipe() async throws {
    #expect(ModelSynthesizer.recipeVersion == 2)
    let fingerprints: [ElementType: String] = [
      .f16: "65eb97d1808d3ffc001ae559b6697bef2f23b688a62b3725a656b65225377170",
      .bf16: "c0d5e0580f2fa54b245036656bc6c8e34fbde8910f4229e143eeeff3de99cf39",
      .f32: "53ae54fbca813244cbd92ae1cd73f36025fbba0bd303924a0712bc36e3518813",
      .q8: "a56685ae6f9348eb9a5e56ca663d99ff158d277261d9ec5355a1d827d7f2dad0",
      .q4: "18b8de5f6671bfc2c42c0975d8f99dd8a76e331369527e2c6b186ba9161de52c",
    ]
    for (dtype, fingerprint) in fingerprints {
      #expect(try await digest(dtype, 0) == fingerprint, "\(dtype.rawValue)")
    }
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
      #expect(report.byteCount == bytes(report.configuration, dtype))
      #expect(report.name == "synthetic/tiny")
      #expect(steps.last?.fraction == 1)
      #expect(steps.map(\.bytesWritten) == steps.map(\.bytesWritten).sorted())
    }
  }

  /// Quantized matrices have a scale for each 64 weights, of 4 bytes or 2; vectors beside them are floats.
  private func bytes(_ configuration: BloomConfiguration, _ dtype: ElementType) -> Int {
    CheckpointLayout.tensors(configuration).reduce(0) { sum, tensor in
      let count = tensor.shape.reduce(1, *)
      guard let quantized = QuantizedType(dtype) else { return sum + count * dtype.size }
      guard tensor.shape.count == 2 else { return sum + count * 4 }
      return sum + (quantized == .q8 ? count + count / 64 * 4 : count / 2 + count / 64 * 2)
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

  @Test("A folder that holds something is not written to")
  func occupied() async throws {
    try await withTemporaryFolder { folder in
      try Data([1]).write(to: folder.appending(path: "precious"))
      let error = try #require(throws: CheckpointError.self) {
        try ModelSynthesizer.synthesize(shape: .tiny, dtype: .f16, into: folder)
      }
      #expect("\(error)".contains("not empty"))
      let left = try FileManager.default.contentsOfDirectory(atPath: folder.path)
      #expect(left == ["precious"])
    }
  }

  @Test(
    "A cancelled synthesis leaves nothing, whether its folder was there or not",
    arguments: [true, false], [ElementType.f16, .q8, .q4])
  func cancelled(_ isThere: Bool, _ dtype: ElementType) async throws {
    try await withTemporaryFolder { folder in
      let target = isThere ? folder : folder.appending(path: "model")
      let task = Task {
        try ModelSynthesizer.synthesize(shape: .tiny, dtype: dtype, into: target) { _ in
          // The first piece is written by now; the next one finds the task cancelled.
          withUnsafeCurrentTask { $0?.cancel() }
        }
      }
      await #expect(throws: CancellationError.self) { try await task.value }
      let left = try FileManager.default.contentsOfDirectory(atPath: folder.path)
      #expect(left.isEmpty)
    }
  }

  @Test("A draft that a killed process left is removed by the next one")
  func abandoned() async throws {
    try await withTemporaryFolder { folder in
      let gone = folder.appending(path: ".model.partial-2147483647-x")
      let alive = folder.appending(path: ".model.partial-\(getpid())-x")
      for draft in [gone, alive] {
        try FileManager.default.createDirectory(at: draft, withIntermediateDirectories: true)
      }
      try ModelSynthesizer.synthesize(
        shape: .tiny, dtype: .f16, into: folder.appending(path: "model"))
      let names = Set(try FileManager.default.contentsOfDirectory(atPath: folder.path))
      #expect(names == ["model", alive.lastPathComponent])
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
