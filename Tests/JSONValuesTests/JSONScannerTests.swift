import JSONValues
import Testing

@Suite("Reading JSON without a tree")
struct JSONScannerTests {
  /// Runs a reader over a text, and says what it throws.
  private func scan<Value>(
    _ text: String, _ dialect: JSONScanner.Dialect = .strict,
    _ body: (inout JSONScanner) throws -> Value
  ) throws -> Value {
    try scan(Array(text.utf8), dialect, body)
  }

  private func scan<Value>(
    _ bytes: [UInt8], _ dialect: JSONScanner.Dialect = .strict,
    _ body: (inout JSONScanner) throws -> Value
  ) throws -> Value {
    try bytes.withUnsafeBytes { bytes in
      var scanner = JSONScanner(bytes, dialect: dialect)
      let value = try body(&scanner)
      try scanner.end()
      return value
    }
  }

  @Test("Members, entries and elements come in their order, with values of any kind")
  func order() throws {
    var found: [String] = []
    try scan(#" { "b" : [ 1 , true , null ] , "a" : { "é\n" : 7 , "" : 8 } } "#) { scanner in
      try scanner.object { scanner, key in
        found.append(key)
        if key == "b" {
          try scanner.array { scanner in found.append(try JSON(&scanner).text) }
        } else {
          try scanner.entries { scanner, key in
            found.append(String(decoding: key, as: UTF8.self) + "=\(try scanner.integer())")
          }
        }
      }
    }
    #expect(found == ["b", "1", "true", "null", "a", "é\n=7", "=8"])
  }

  @Test("Empty objects and arrays have nothing to read", arguments: ["{}", " { } "])
  func empty(_ text: String) throws {
    try scan(text) { try $0.object { _, _ in Issue.record("a member") } }
    try scan(text) { try $0.entries { _, _ in Issue.record("an entry") } }
    let array = text.replacing("{", with: "[").replacing("}", with: "]")
    try scan(array) { try $0.array { _ in Issue.record("an element") } }
  }

  @Test(
    "What its reader does not want is refused with its byte",
    arguments: [
      ("  7", .unexpectedByte(0x37), 2), ("[1 2]", .unexpectedByte(0x32), 3),
      ("[1,]", .unexpectedByte(0x5d), 3), ("[", .unexpectedEnd, 1), ("[1", .unexpectedEnd, 2),
      ("", .unexpectedEnd, 0), ("[1]]", .trailingBytes, 3),
      ("[1.5]", .unexpectedValue(expected: "a whole number"), 1),
      ("[01]", .leadingZero, 1), ("[1,\"2\"]", .unexpectedByte(0x22), 3),
    ] as [(String, JSONError.Reason, Int)])
  func refused(_ text: String, _ reason: JSONError.Reason, _ offset: Int) {
    let error = #expect(throws: JSONError.self) {
      try scan(text) { try $0.array { _ = try $0.integer() } }
    }
    #expect(error?.reason == reason)
    #expect(error?.offset == offset)
  }

  @Test("A reader's own refusal names what it expected, and the byte")
  func expectation() {
    let error = #expect(throws: JSONError.self) {
      try scan("[1,-1]") { scanner in
        try scanner.array { scanner in
          if try scanner.integer() < 0 { throw scanner.failure(expecting: "a token id") }
        }
      }
    }
    #expect(error?.detail == "expected a token id at byte 5")
    #expect(error?.description == "invalid JSON at byte 5: expected a token id")
  }

  @Test(
    "A whole number is read up to the limits of Int, whatever follows it",
    arguments: ["", " ", "\t", "\r\n"])
  func integers(_ behind: String) throws {
    for number in [0, 7, -7, 123_456_789_012_345, 1_234_567_890_123_456, .max, .min] {
      #expect(
        try scan("[\(number)\(behind),\(number)\(behind)]\(behind)") { scanner in
          var all: [Int] = []
          try scanner.array { all.append(try $0.integer()) }
          return all
        } == [number, number])
      #expect(try scan("\(number)\(behind)") { try $0.integer() } == number)
    }
    for text in ["9223372036854775808", "-9223372036854775809", "1e2", "1.0"] {
      #expect(throws: JSONError.self) { try scan(text + behind) { try $0.integer() } }
    }
  }

  @Test(
    "Python's three words for no number are numbers in its dialect only",
    arguments: ["NaN", "Infinity", "-Infinity"])
  func nonFinite(_ word: String) throws {
    let value = try scan("[\(word)]", .python) { try JSON(&$0) }
    let number = try #require(value[0]?.doubleValue)
    #expect(!number.isFinite)
    #expect(value[0]?.integerValue == nil)
    #expect(value.text == "[\(word)]")
    #expect(throws: JSONError.self) { try scan("[\(word)]") { try JSON(&$0) } }
    #expect(throws: JSONError.self) { try scan("[\(word)]", .python) { _ = try $0.integer() } }
    for other in ["nan", "-NaN", "inf", "+1", "01", "1.", ".5", "--1", "Infinit"] {
      #expect(throws: JSONError.self) { try scan("[\(other)]", .python) { try JSON(&$0) } }
    }
  }

  @Test("A string's bytes are appended as they stand, its escapes as what they mean")
  func rawStrings() throws {
    var text = Array("<".utf8)
    let bytes: [UInt8] = [0x22, 0xff] + Array(#"a\n\u00e9\ud83d\ude42"#.utf8) + [0xc3, 0x22]
    try scan(bytes) { try $0.string(into: &text) }
    #expect(text == Array("<".utf8) + [0xff] + Array("a\né🙂".utf8) + [0xc3])
    // As a text they are refused, for they are not UTF-8.
    let error = #expect(throws: JSONError.self) { try scan(bytes) { _ = try $0.string() } }
    #expect(error?.reason == .invalidUTF8)
    #expect(throws: JSONError.self) { try scan("\"\u{1}\"") { try $0.string(into: &text) } }
  }

  @Test("A reader's own nesting counts towards the limit of the values in it")
  func depth() throws {
    func nested(_ depth: Int) -> String {
      String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
    }
    func read(_ depth: Int) throws {
      try scan("{\"a\":[\(nested(depth))]}") { scanner in
        try scanner.object { scanner, _ in try scanner.array { _ = try JSON(&$0) } }
      }
    }
    #expect(throws: Never.self) { try read(JSON.depthLimit - 2) }
    let error = #expect(throws: JSONError.self) { try read(JSON.depthLimit - 1) }
    #expect(error?.reason == .tooDeep(limit: JSON.depthLimit))
  }

  @Test("What is printed for a reader of errors is short, whatever the value holds")
  func summaries() throws {
    let summaries = try [
      "null", "true", "-1.50", "\"a\"", "[1,2]", "{\"a\":1}", String(repeating: "9", count: 200),
    ].map { try JSON.parse($0).summary }
    #expect(
      summaries == [
        "null", "true", "-1.50", "\"a\"", "an array of 2", "an object of 1",
        String(repeating: "9", count: 100) + "…",
      ])
  }
}
