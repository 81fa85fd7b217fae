import PlumiseWire
import Testing

@Suite("Texts as arguments", .timeLimit(.minutes(2)))
struct TextArgumentTests {
  private func tokenize(_ arguments: String...) async throws -> Command.Result {
    try await Command.run(["tokenize", "--model", ModelTests.tiny, "--json"] + arguments)
  }

  @Test(
    "What stands behind the sign is the value, code point by code point",
    arguments: [
      "", "\u{301}", "\u{301}x=y", "\u{200d}a", "\u{fe0f}", "=", "==a", "-x", "--json", "a=b", " ",
      "\r\n", "\u{212a}",
    ])
  func attached(_ text: String) async throws {
    let result = try await tokenize("--text=" + text)
    #expect(result.status == .exited(0), "\(result.errors)")
    let read = try #require(try result.json()["text"]?.stringValue)
    #expect(read.utf8.elementsEqual(text.utf8), "\(read.debugDescription)")
  }

  @Test("So it is for every option, and for a value of its own", arguments: ["", "\u{301}"])
  func others(_ text: String) async throws {
    let prompt = "--prompt=" + text
    try await Command.run("generate", "--model=\u{301}none", prompt)
      .expectRefusal("\u{301}none")
    let result = try await tokenize("--text", text)
    #expect(try result.json()["text"]?.stringValue?.utf8.elementsEqual(text.utf8) == true)
  }

  @Test("An empty value is no value of a number, a list or a flag")
  func empty() async throws {
    try await tokenize("--ids=").expectRefusal("--ids")
    try await tokenize("--text=a", "--json=").expectRefusal("Unexpected argument")
  }
}
