import Bloom
import Foundation
import PetalsNode
import PlumiseWire
import TestVectors
import Testing

/// One check for a process alone, a pipeline and the HTTP API, in the same words.
@Suite("Scores that are no numbers, wherever they are made", .timeLimit(.minutes(5)))
struct PipelineScoreTests {
  /// A copy of the tiny checkpoint whose last layer norm is spoilt: nodes do not see it.
  private func spoilt() throws -> Checkpoint {
    let folder = FileManager.default.temporaryDirectory
      .appending(path: "no-numbers-\(UUID().uuidString)")
    try FileManager.default.copyItem(at: TestVectors.bloom(.tinyF16), to: folder)
    let file = folder.appending(path: "model.safetensors")
    var bytes = try Data(contentsOf: file)
    let length = bytes.prefix(8).reversed().reduce(0) { $0 << 8 | Int($1) }
    let header = try JSON.parse(bytes[8..<8 + length])
    let offsets = try #require(header["ln_f.weight"]?["data_offsets"]?.arrayValue)
    let start = 8 + length + Int(try #require(offsets.first?.integerValue))
    // Half precision's first number that is none.
    bytes.replaceSubrange(start..<start + 2, with: [0x01, 0x7e])
    try bytes.write(to: file)
    return try Checkpoint(directory: folder)
  }

  @Test(
    "They end a generation in the words that a process alone has for them", arguments: [0, 0.7])
  func sameWords(temperature: Float) async throws {
    let checkpoint = try spoilt()
    defer { try? FileManager.default.removeItem(at: checkpoint.directory) }
    let sampling = try SamplingParameters(temperature: temperature, topP: 0.9)
    let alone = try await #require(throws: ScoreError.self) {
      try await LocalGenerator(checkpoint).generate(
        GenerationRequest(prompt: [5, 6, 7], maxNewTokens: 4, sampling: sampling))
    }
    var configuration = NodeConfiguration(checkpoint: checkpoint)
    configuration.http = .init()
    try await withPetalsNode(configuration) { node in
      let ends = ModelEnds(checkpoint)
      for reach in Reach.allCases {
        try await reach.withTransports(to: [node]) { transports in
          try await withPipelineClient(ends, transports: transports) { client in
            let error = try await #require(throws: NodeError.self) {
              try await client.generate(
                PipelineRequest(
                  promptIDs: [5, 6, 7], maximumNewTokens: 4, sampling: sampling)
              ).collect()
            }
            #expect(error.message == "\(alone)" && error.code == .internalFault)
          }
        }
      }
      for stream in [false, true] {
        let answer = try await GeneratedAnswer(
          from: node, to: #"{"inputs":"Hello","stream":\#(stream)}"#)
        #expect(answer.status == 500, "\(answer.text)")
        let message = try #require(try answer.json["message"]?.stringValue)
        #expect(message.hasPrefix("\(alone)"), "\(message)")
      }
    }
  }
}
