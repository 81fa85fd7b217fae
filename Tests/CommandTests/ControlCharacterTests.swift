import Foundation
import HTTPTypes
import MockServing
import PlumiseWire
import Subprocess
import TestSupport
import Testing
import petals_e2e

@Suite("Control characters of others", .timeLimit(.minutes(5)))
struct ControlCharacterTests {
  /// A title of the terminal, an erased screen, a line of its own, C1 and a turned direction.
  static let hostile = "\u{1B}]0;title\u{7}\u{1B}[2J\r\nall is well\u{9B}3A\u{202E}end"

  @Test("Each control has a visible character in its place, whatever Characters it is part of")
  func pictures() {
    #expect("\u{1B}[2J\u{7F}\u{0}".replacingControls() == "␛[2J␡␀")
    #expect("\r\n".replacingControls() == "␍␊")
    #expect("\r\n\t".replacingControls(keeping: ["\n", "\t"]) == "␍\n\t")
    #expect("\u{9B}\u{85}\u{202E}".replacingControls() == "\u{FFFD}\u{FFFD}\u{FFFD}")
    // A mark behind a control makes one Character of both.
    #expect("\u{1B}\u{301}[2J".replacingControls() == "␛\u{301}[2J")
    let plain = "Grüße, 世界 👩‍👩‍👧 – ½"
    #expect(plain.replacingControls() == plain && plain.forTerminal == plain)
  }

  @Test("For a terminal line feeds, tabulators and this program's own colours are left")
  func terminal() {
    #expect("a\n\tb\r".forTerminal == "a\n\tb␍")
    #expect("\u{1B}[32mgood\u{1B}[0m".forTerminal == "\u{1B}[32mgood\u{1B}[0m")
    for code in ["\u{1B}[2J", "\u{1B}[8m", "\u{1B}[320m", "\u{1B}c", "\u{1B}", "\u{1B}[32"] {
      #expect(code.forTerminal == "␛" + code.dropFirst(), "\(code.debugDescription)")
    }
  }

  @Test("A message of one line has no line break, no tabulator and no control")
  func singleLine() {
    #expect("one\r\n  two\u{2028}three\tfour".singleLine == "one two three four")
    #expect(Self.hostile.singleLine == "␛]0;title␇␛[2J all is well\u{FFFD}3A\u{FFFD}end")
  }

  /// How services spell the reason of a failure, by the path that a load uses.
  static let services: [String] = [
    "/api/v1/report", "/api/v1/generate", "/v1/chat/completions", "/",
  ]

  @Test("What a service answers cannot act on a terminal, nor break a line", arguments: services)
  func answers(_ path: String) async throws {
    try await withTemporaryFolder { folder in
      try await withWebServer(respond: { Self.answer($0, at: path) }) { address in
        let requests = folder.file("requests.jsonl")
        let result = try await Command.run(
          "load", "--target", address.url, "--users", "1", "--duration", "0.2", "--requests",
          requests, "--report", folder.path)
        #expect(result.status == .exited(1), "\(result.errors)")
        let reason = "␛]0;title␇␛[2J all is well\u{FFFD}3A\u{FFFD}end"
        for file in ["report.json", "report.html", "junit.xml", "requests.jsonl"] {
          let text = try String(contentsOfFile: folder.file(file), encoding: .utf8)
          #expect(text.contains(reason), "\(file)")
          for code in ["\u{1B}", "\u{9B}", "\u{202E}", "u001b"] {
            #expect(!text.contains(code), "\(file)")
          }
        }
        let lines = result.output.split(separator: "\n").filter { $0.contains(" × ") }
        #expect(lines.count == 1 && lines[0].hasSuffix(reason), "\(result.output)")
      }
    }
  }

  /// Answers as the service of a path does when it is asked what it is, and then fails.
  private static func answer(_ request: WebRequest, at path: String) -> WebResponse {
    func response(_ status: HTTPResponse.Status, _ body: JSON) -> WebResponse {
      WebResponse(status: status, body: body.serialized())
    }
    if path == "/" {
      guard request.path == path, let call = try? JSON.parse(request.body) else {
        return WebResponse(status: .notFound)
      }
      let results: [String: JSON] = [
        "eth_chainId": "0x1", "eth_gasPrice": "0x1", "eth_getBalance": "0x1",
        "eth_getTransactionCount": "0x0",
      ]
      let answer: (String, JSON) =
        results[call["method"]?.stringValue ?? ""].map { ("result", $0) }
        ?? ("error", ["code": -1, "message": .string(hostile)])
      return response(
        .ok,
        .object(
          JSONObject(
            uniqueMembers: [("jsonrpc", "2.0"), ("id", call["id"] ?? 1), answer])))
    }
    if request.path == "/v1/models" { return response(.ok, ["data": [["id": "m"]]]) }
    guard request.path == path else { return WebResponse(status: .notFound) }
    return path == "/api/v1/report"
      ? response(.internalServerError, ["message": .string(hostile)])
      : WebResponse(status: .internalServerError, body: Array(hostile.utf8))
  }

  #if os(Linux)
    @Test("Text of a model is written to a terminal without controls, and to a pipe as it is")
    func generated() async throws {
      // At this temperature each of the 256 bytes is about as likely as any other.
      let arguments = [
        "generate", "--model", GenerateTests.tiny, "--prompt", "a", "--temperature", "100",
        "--seed", "1", "--max-new-tokens", "120",
      ]
      func controls(_ text: String) -> [Unicode.Scalar] {
        text.unicodeScalars.filter { $0.properties.generalCategory == .control }
      }
      let piped = try await Command.run(arguments)
      #expect(piped.status == .exited(0), "\(piped.errors)")
      let others = Set(controls(piped.output)).subtracting(["\n", "\t", "\r"])
      try #require(others.count > 2, "the model makes no controls: choose another seed")
      let shown = try await PseudoTerminal.run(arguments + ["--quiet"])
      #expect(shown.status == .exited(0), "\(shown.output)")
      // The terminal itself puts a carriage return before each line feed.
      #expect(Set(controls(shown.output)).isSubset(of: ["\n", "\t", "\r"]))
      #expect(shown.output.contains { "␀"..."␟" ~= $0 })
    }

    @Test("What a service answers reaches a terminal as text alone")
    func onTerminal() async throws {
      try await withWebServer(respond: { Self.answer($0, at: "/api/v1/report") }) { address in
        let result = try await PseudoTerminal.run(
          ["load", "--target", address.url, "--users", "1", "--duration", "0.2"])
        #expect(result.status == .exited(1))
        for code in ["\u{1B}]", "\u{1B}[2J", "\u{9B}", "\u{202E}", "\u{7}"] {
          #expect(!result.output.contains(code), "\(result.output.debugDescription)")
        }
        #expect(result.output.contains("␛]0;title␇"))
      }
    }
  #endif
}
