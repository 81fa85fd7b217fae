import Bloom
import Foundation
import HTTPTypes
import MockServing
import PlumiseWire
import Subprocess
import TestSupport
import TestVectors
import Testing

@Suite("Prompts of a load", .timeLimit(.minutes(5)))
struct LoadPromptTests {
  /// A tokenizer of bytes that puts `<s>` before each text and `</s>` behind it.
  private static func tokenizer(in folder: URL) throws {
    let model = TestVectors.bloom(.tinyF16).appending(path: "tokenizer.json")
    var file = try #require(try JSON.parse(Data(contentsOf: model)).objectValue)
    func token(_ name: String) -> JSON { ["SpecialToken": ["id": .string(name), "type_id": 0]] }
    func ids(_ name: String, _ id: Int) -> JSON {
      ["id": .string(name), "ids": [.integer(id)], "tokens": [.string(name)]]
    }
    file["post_processor"] = [
      "type": "TemplateProcessing",
      "single": [token("<s>"), ["Sequence": ["id": "A", "type_id": 0]], token("</s>")],
      "pair": [], "special_tokens": ["<s>": ids("<s>", 1), "</s>": ids("</s>", 2)],
    ]
    try folder.write("tokenizer.json", JSON.object(file).serialized())
  }

  @Test(
    "Prompts have their length with the tokens that are put around them, and one of their own",
    arguments: [1, 2, 3, 4, 17])
  func around(_ length: Int) async throws {
    try await withTemporaryFolder { folder in
      try Self.tokenizer(in: folder)
      let tokenizer = try Tokenizer(directory: folder)
      let prompts = Journal<String>()
      try await withWebServer(respond: { request in
        guard request.path == "/api/v1/generate" else { return WebResponse(status: .notFound) }
        if let prompt = (try? JSON.parse(request.body))?["inputs"]?.stringValue {
          prompts.record(prompt)
        }
        return WebResponse(body: Array(#"{"num_tokens":2}"#.utf8))
      }) { address in
        let result = try await Command.run(
          "load", "--target", address.url, "--rate", "50", "--duration", "0.2", "--tokens", "2",
          "--prompt-tokens", "\(length)", "--tokenizer", folder.path)
        #expect(result.status == .exited(0), "\(result.errors)")
      }
      #expect(prompts.entries.count == 10)
      for prompt in prompts.entries {
        #expect(!prompt.isEmpty && !prompt.contains("<"), "\(prompt)")
        #expect(tokenizer.encode(prompt).count == max(3, length), "\(prompt)")
      }
    }
  }
}
