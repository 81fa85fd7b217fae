import Bloom
import Foundation
import TestVectors
import Testing

@Suite("Golden tokenizer cases")
struct GoldenTokenizerTests {
  struct Case: Decodable {
    let text: String
    let ids: [Int32]
    let decoded: String
  }

  private func cases(_ model: TestVectors.Model) throws -> [Case] {
    let data = try Data(
      contentsOf: TestVectors.bloom(model).appending(path: "tokenizer_cases.json"))
    let cases = try JSONDecoder().decode([Case].self, from: data)
    try #require(!cases.isEmpty)
    return cases
  }

  @Test("Texts encode to the reference's ids", arguments: TestVectors.Model.allCases)
  func encoding(_ model: TestVectors.Model) throws {
    let tokenizer = try Tokenizer(directory: TestVectors.bloom(model))
    for golden in try cases(model) {
      #expect(tokenizer.encode(golden.text) == golden.ids, "\(golden.text.debugDescription)")
    }
  }

  @Test("Ids decode to the reference's texts", arguments: TestVectors.Model.allCases)
  func decoding(_ model: TestVectors.Model) throws {
    let tokenizer = try Tokenizer(directory: TestVectors.bloom(model))
    for golden in try cases(model) {
      #expect(tokenizer.decode(golden.ids) == golden.decoded)
    }
  }

  @Test("A text streamed id by id is the text", arguments: TestVectors.Model.allCases)
  func streaming(_ model: TestVectors.Model) throws {
    let tokenizer = try Tokenizer(directory: TestVectors.bloom(model))
    for golden in try cases(model) {
      var stream = TextStream(tokenizer)
      var text = ""
      for id in golden.ids {
        let part = stream.append(id)
        #expect(!part.unicodeScalars.contains("\u{FFFD}"))
        text += part
      }
      text += stream.finish()
      #expect(text == golden.decoded)
    }
  }
}
