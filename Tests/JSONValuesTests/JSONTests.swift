import Foundation
import JSONValues
import TestVectors
import Testing

@Suite("Reading JSON")
struct JSONParserTests {
  @Test(
    "A valid text is read, and printed without what it does not need",
    arguments: [
      ("null", "null"), (" true ", "true"), ("false", "false"), ("\t\n\r [ ] ", "[]"),
      ("{ }", "{}"), ("\"\"", "\"\""), ("[1 , 2]", "[1,2]"),
      ("{\"b\":1,\"a\":2}", "{\"b\":1,\"a\":2}"),
      ("-0.0e+00", "-0.0e+00"), ("1E400", "1E400"), (#""\u0041\/""#, "\"A/\""),
      (#""\ud83d\ude42""#, "\"🙂\""), (#""\u00e9\u0000""#, #""é\u0000""#),
      ("\"\u{7f}\u{2028}\"", "\"\u{7f}\u{2028}\""),
      (#""\"\\\b\f\n\r\t\u001f""#, #""\"\\\b\f\n\r\t\u001f""#),
      (#"{"":{"":[[],{}]}}"#, #"{"":{"":[[],{}]}}"#),
      (#""\uD7FF\uE000\uFFFF""#, "\"\u{d7ff}\u{e000}\u{ffff}\""),
    ])
  func valid(_ text: String, _ printed: String) throws {
    let value = try JSON.parse(text)
    #expect(value.text == printed)
    #expect(try JSON.parse(value.serialized()) == value)
  }

  static let refusals: [(String, JSONError.Reason, Int)] = [
    // Cut texts.
    ("", .unexpectedEnd, 0), ("  ", .unexpectedEnd, 2), ("[", .unexpectedEnd, 1),
    ("[1", .unexpectedEnd, 2), ("[1,", .unexpectedEnd, 3), ("{", .unexpectedEnd, 1),
    ("{\"a\"", .unexpectedEnd, 4), ("{\"a\":", .unexpectedEnd, 5), ("{\"a\":1,", .unexpectedEnd, 7),
    ("\"abc", .unexpectedEnd, 4), (#""\"#, .unexpectedEnd, 2), (#""\u12"#, .unexpectedEnd, 5),
    ("tru", .unexpectedEnd, 3), ("-", .unexpectedEnd, 1), ("1.", .unexpectedEnd, 2),
    ("1e", .unexpectedEnd, 2), ("1e+", .unexpectedEnd, 3),
    // Bytes that stand where they cannot.
    ("]", .unexpectedByte(0x5d), 0), ("[,1]", .unexpectedByte(0x2c), 1),
    ("[1,]", .unexpectedByte(0x5d), 3),
    ("[1 2]", .unexpectedByte(0x32), 3), ("{,}", .unexpectedByte(0x2c), 1),
    ("{1:2}", .unexpectedByte(0x31), 1),
    ("{\"a\" 1}", .unexpectedByte(0x31), 5), ("{\"a\":1,}", .unexpectedByte(0x7d), 7),
    ("{'a':1}", .unexpectedByte(0x27), 1), ("nul1", .unexpectedByte(0x31), 3),
    ("True", .unexpectedByte(0x54), 0),
    ("NaN", .unexpectedByte(0x4e), 0), ("Infinity", .unexpectedByte(0x49), 0),
    ("+1", .unexpectedByte(0x2b), 0),
    (".5", .unexpectedByte(0x2e), 0), ("/**/1", .unexpectedByte(0x2f), 0),
    ("\u{feff}1", .unexpectedByte(0xef), 0),
    ("\u{a0}1", .unexpectedByte(0xc2), 0), ("\u{c}1", .unexpectedByte(0x0c), 0),
    // Numbers.
    ("01", .leadingZero, 0), ("-01", .leadingZero, 1), ("00", .leadingZero, 0),
    ("[1.x]", .missingDigit, 3),
    ("-a", .missingDigit, 1), ("--1", .missingDigit, 1), ("1.e1", .missingDigit, 2),
    ("1e-x", .missingDigit, 3),
    // Strings.
    ("\"a\nb\"", .controlCharacter(0x0a), 2), ("\"\u{0}\"", .controlCharacter(0), 1),
    ("\"\\n\u{1f}\"", .controlCharacter(0x1f), 3), (#""\x""#, .invalidEscape, 2),
    (#""\'""#, .invalidEscape, 2),
    (#""\u00g0""#, .invalidEscape, 5), (#""\U0041""#, .invalidEscape, 2),
    (#""\ud800""#, .loneSurrogate, 1),
    (#""a\udc00""#, .loneSurrogate, 2), (#""\ud800\ud800""#, .loneSurrogate, 1),
    (#""\ud800\u0041""#, .loneSurrogate, 1),
    (#""\ud800x""#, .loneSurrogate, 1), (#""\udc00\ud800""#, .loneSurrogate, 1),
    // Objects with a name twice.
    (#"{"a":1,"a":1}"#, .duplicateKey("a"), 7), (#"{"a":1,"\u0061":2}"#, .duplicateKey("a"), 7),
    (#"{"x":{"":1,"b":2,"":3}}"#, .duplicateKey(""), 17),
    // More than one value.
    ("1 2", .trailingBytes, 2), ("{}{}", .trailingBytes, 2), ("[]]", .trailingBytes, 2),
    ("1\u{0}", .trailingBytes, 1),
    ("\"a\"b", .trailingBytes, 3), ("-0x", .trailingBytes, 2),
  ]

  @Test("A text that is not JSON is refused with its reason and byte", arguments: refusals)
  func refused(_ text: String, _ reason: JSONError.Reason, _ offset: Int) {
    let error = #expect(throws: JSONError.self) { try JSON.parse(text) }
    #expect(error?.reason == reason)
    #expect(error?.offset == offset)
  }

  @Test(
    "A string that is not UTF-8 is refused",
    arguments: [
      [0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xe2, 0x82], [0x80],
    ] as [[UInt8]])
  func invalidUTF8(_ bytes: [UInt8]) {
    for content in [bytes, Array("ab".utf8) + bytes, Array("\\n".utf8) + bytes] {
      let error = #expect(throws: JSONError.self) { try JSON.parse([0x22] + content + [0x22]) }
      #expect(error?.reason == .invalidUTF8)
    }
  }

  @Test("Names that differ in code points are two names, even if they look alike")
  func lookalikes() throws {
    let object = try #require(try JSON.parse("{\"\u{e9}\":1,\"e\u{301}\":2}").objectValue)
    #expect(object.count == 2)
    #expect(object["\u{e9}"] == 1)
    #expect(object["e\u{301}"] == 2)
  }

  @Test("An object has a member for each of two such names, and refuses one that is there twice")
  func lookalikesTwice() throws {
    for (one, two) in [("\u{e9}", "e\u{301}"), ("K", "\u{212a}"), ("\u{c5}", "\u{212b}")] {
      let object = try JSON.parse("{\"\(one)\": 1, \"\(two)\": 2}")
      #expect(object[one]?.integerValue == 1)
      #expect(object[two]?.integerValue == 2)
      #expect(throws: JSONError.self) { try JSON.parse("{\"\(one)\": 1, \"\(one)\": 2}") }
    }
  }

  @Test(
    "A name twice among many is found, at the end as at the beginning",
    arguments: [2, 15, 16, 17, 18, 500])
  func duplicateAmongMany(_ count: Int) throws {
    let members = (0..<count).map { "\"k\($0)\":\($0)" }
    let unique = "{" + members.joined(separator: ",") + "}"
    #expect(try JSON.parse(unique).objectValue?.count == count)
    for repeated in [0, count / 2, count - 1] {
      let text = "{" + (members + ["\"k\(repeated)\":0"]).joined(separator: ",") + "}"
      let error = #expect(throws: JSONError.self) { try JSON.parse(text) }
      #expect(error?.reason == .duplicateKey("k\(repeated)"))
      #expect(error?.offset == unique.utf8.count)
    }
  }

  @Test("Values nest as deep as the limit and no deeper", arguments: ["[", "{\"a\":"])
  func depth(_ open: String) throws {
    let close = open == "[" ? "]" : "}"
    func nested(_ depth: Int) -> String {
      String(repeating: open, count: depth) + "0" + String(repeating: close, count: depth)
    }
    #expect(throws: Never.self) { try JSON.parse(nested(JSON.depthLimit)) }
    let error = #expect(throws: JSONError.self) { try JSON.parse(nested(JSON.depthLimit + 1)) }
    #expect(error?.reason == .tooDeep(limit: JSON.depthLimit))
    #expect(error?.offset == JSON.depthLimit * open.utf8.count)
    // An attacker's megabyte of brackets ends at the limit, not on the stack.
    #expect(throws: JSONError.self) { try JSON.parse(String(repeating: open, count: 200_000)) }
  }

  @Test("Every cut of a text is refused")
  func cuts() throws {
    let text = Array(#"{"a":[1.5e-3,true,null,"é🙂\n\ud83d\ude42"],"b":{"c":false}}"#.utf8)
    #expect(throws: Never.self) { try JSON.parse(text) }
    for count in 0..<text.count {
      #expect(throws: JSONError.self) { try JSON.parse(text[..<count]) }
    }
  }

  @Test(
    "Reading takes time in proportion to the text, whatever it holds",
    arguments: ["names", "brackets", "escapes", "digits"])
  func linearTime(_ kind: String) throws {
    // Sixteen times the text may take at most eighty times as long; quadratic reading takes 256.
    func text(_ size: Int) -> [UInt8] {
      switch kind {
      case "names":
        Array(("{" + (0..<size).map { "\"\($0)\":0" }.joined(separator: ",") + "}").utf8)
      case "brackets":
        Array(("[" + [String](repeating: "[]", count: size).joined(separator: ",") + "]").utf8)
      case "escapes": Array(("\"" + String(repeating: "\\n", count: size) + "\"").utf8)
      default: Array(String(repeating: "9", count: size).utf8)
      }
    }
    // The thread's own processor time, which a busy machine does not lengthen.
    func time(_ bytes: [UInt8]) throws -> Double {
      let runs = try (0..<5).map { _ in
        let start = processorNanoseconds()
        _ = try JSON.parse(bytes)
        return processorNanoseconds() - start
      }
      return Double(runs.min() ?? 0)
    }
    let (small, large) = (text(1000), text(16000))
    let ratio = try time(large) / time(small)
    #expect(ratio < 80, "\(kind): \(ratio) times as long for 16 times the text")
  }

  @Test("An error says where and what, for people")
  func description() {
    let error = #expect(throws: JSONError.self) { try JSON.parse("[1,]") }
    #expect(error?.description == "invalid JSON at byte 3: unexpected ']'")
  }

  private func processorNanoseconds() -> Int {
    var time = timespec()
    let result = clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    precondition(result == 0, "every thread has a processor clock")
    return time.tv_sec * 1_000_000_000 + time.tv_nsec
  }
}

@Suite("JSON values")
struct JSONValueTests {
  let value: JSON = ["s": "text", "n": 7, "b": true, "z": nil, "a": [1, ["x": "y"]]]

  @Test("Members and elements are reached by name and place, nil elsewhere")
  func access() {
    #expect(value["s"]?.stringValue == "text")
    #expect(value["n"]?.integerValue == 7)
    #expect(value["n"]?.doubleValue == 7)
    #expect(value["b"]?.boolValue == true)
    #expect(value["z"]?.isNull == true)
    #expect(value["a"]?[1]?["x"] == "y")
    #expect(value["a"]?[2] == nil)
    #expect(value["a"]?[-1] == nil)
    #expect(value["missing"] == nil)
    #expect(value["s"]?["x"] == nil)
    #expect(value["s"]?.integerValue == nil)
    #expect(value["n"]?.stringValue == nil)
    #expect(value["n"]?.boolValue == nil)
    #expect(value[0] == nil)
  }

  @Test("Objects are equal whatever the order of their members, and print in their own order")
  func order() throws {
    let one: JSON = ["a": 1, "b": 2]
    let two: JSON = ["b": 2, "a": 1]
    #expect(one == two)
    #expect(Set([one, two]).count == 1)
    #expect(one.text == #"{"a":1,"b":2}"#)
    #expect(two.text == #"{"b":2,"a":1}"#)
    #expect(one != ["a": 1])
    #expect(one != ["a": 1, "b": 3])
  }

  @Test("Texts that are only canonically equal are two, as values and as names")
  func canonicalEquivalents() {
    for (one, two) in [("\u{e9}", "e\u{301}"), ("K", "\u{212a}")] {
      #expect(one == two)
      #expect(JSON.string(one) != .string(two))
      #expect(Set([JSON.string(one), .string(two), .string(one)]).count == 2)
      #expect(JSON.object([one: 1]) != .object([two: 1]))
      #expect(JSON.object([one: 1, two: 2]) == .object([two: 2, one: 1]))
      #expect(JSON.array([.string(one)]) != .array([.string(two)]))
    }
  }

  @Test("Setting a member keeps its place, a new one comes last, nil removes it")
  func setting() {
    var object: JSONObject = ["a": 1, "b": 2]
    object["a"] = 3
    object["c"] = 4
    #expect(JSON.object(object).text == #"{"a":3,"b":2,"c":4}"#)
    object["b"] = nil
    object["d"] = nil
    #expect(object.keys == ["a", "c"])
  }

  @Test("JavaScript's text has JavaScript's numbers, raw letters and the order of the body")
  func javaScript() throws {
    let value = try JSON.parse(#"{"b":600.0,"a":"é\u2028/","c":[1e21,1E-7,-0,1e400],"d":null}"#)
    #expect(
      JavaScriptJSON.text(of: value)
        == "{\"b\":600,\"a\":\"é\u{2028}/\",\"c\":[1e+21,1e-7,0,null],\"d\":null}")
  }

  @Test("A literal with a name twice traps")
  func duplicateLiteral() async {
    await #expect(processExitsWith: .failure) { _ = ["a": 1, "a": 2] as JSON }
  }
}

@Suite("Canonical JSON")
struct CanonicalJSONTests {
  /// The section of `ethereum.json` that this target checks, read with Foundation's decoder.
  struct Vectors: Decodable {
    struct Canonical: Decodable { let payload, canonical: String }

    let canonicalJSON: [Canonical]

    static let all: Vectors = {
      do {
        return try JSONDecoder().decode(Vectors.self, from: Data(contentsOf: TestVectors.ethereum))
      } catch { fatalError("ethereum.json cannot be read: \(error)") }
    }()
  }

  @Test("The golden data are not empty: their count is that of the file that was reviewed")
  func count() {
    #expect(Vectors.all.canonicalJSON.count == 18)
  }

  @Test("The text equals that of another implementation", arguments: Vectors.all.canonicalJSON)
  func golden(_ vector: Vectors.Canonical) throws {
    #expect(CanonicalJSON.text(of: try JSON.parse(vector.payload)) == vector.canonical)
  }

  @Test("A canonical text is its own canonical text", arguments: Vectors.all.canonicalJSON)
  func idempotent(_ vector: Vectors.Canonical) throws {
    #expect(CanonicalJSON.text(of: try JSON.parse(vector.canonical)) == vector.canonical)
  }

  @Test(
    "Numbers stay as they stand in the body", arguments: ["100", "100.0", "1E2", "1e+02", "-0"])
  func numbers(_ text: String) throws {
    #expect(CanonicalJSON.text(of: try JSON.parse("[\(text)]")) == "[\(text)]")
  }

  @Test("Keys are sorted by code point, also beyond the basic plane")
  func keyOrder() throws {
    // By UTF-16 unit U+1F642 would come before U+FF5E; by code point it comes after.
    let value = try JSON.parse(#"{"🙂":1,"～":2,"é":3,"z":4,"Z":5,"":6}"#)
    let expected = #"{"":6,"Z":5,"z":4,"\u00e9":3,"\uff5e":2,"\ud83d\ude42":1}"#
    #expect(CanonicalJSON.text(of: value) == expected)
  }

  @Test("The letters that JSON has short escapes for use them, the delete character does not")
  func escapes() throws {
    let value = JSON.string("\u{8}\u{c}\n\r\t\"\\/\u{7f}\u{b}")
    #expect(CanonicalJSON.text(of: value) == #""\b\f\n\r\t\"\\/\u007f\u000b""#)
  }
}
